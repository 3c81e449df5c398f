/**
 * A Worker's module scope may do no I/O, start no timer and draw no random number. Every shared module loads there, and
 * objects that live as long as the isolate can be created there.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { build } from "esbuild";
import { Log, LogLevel, Miniflare } from "miniflare";
import { expect, test } from "vitest";
import { projectFolder } from "../../src/local/state-dir.ts";

const src = join(projectFolder, "src");
const files = ["lib", "middleware", "resilience", "security-events", "telemetry"]
  .flatMap((folder) =>
    readdirSync(join(src, folder), { recursive: true, encoding: "utf8" }).map((name) => `${folder}/${name}`),
  )
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
  .sort();

/** Constructed from a file's module, `it`, at a Worker's module scope. */
const created: Readonly<Record<string, string>> = {
  "middleware/response-cache/invalidations.ts": "it.createInvalidations()",
  "middleware/signature/verify.ts": "it.createNonceMemory(1_000)",
  "resilience/circuit-breaker/circuit-breaker.ts":
    "it.createBreaker({}, { now: () => 0, random: () => 0 }).tryAcquire()",
  "resilience/single-flight.ts": "new it.SingleFlight(1_000)",
};

const bundle = async (source: string): Promise<string> => {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: src },
    bundle: true,
    write: false,
    format: "esm",
    conditions: ["workerd", "worker", "browser"],
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
};

/** The response of a Worker with this module. @throws Error with the runtime's output if it does not start */
const answerOf = async (source: string): Promise<unknown> => {
  const output: string[] = [];
  const read = (stream: Readable): void => void stream.on("data", (text) => void output.push(String(text)));
  const miniflare = new Miniflare({
    modules: true,
    script: await bundle(source),
    compatibilityDate: "2026-07-22",
    log: new Log(LogLevel.NONE),
    handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
      read(stdout);
      read(stderr);
    },
    cf: false,
  });
  try {
    const response = await miniflare.dispatchFetch("http://worker/");
    return await response.json();
  } catch (error) {
    throw new Error(output.join(""), { cause: error });
  } finally {
    await miniflare.dispose().catch(() => undefined);
  }
};

test("every shared module loads at a Worker's module scope, and its long-lived objects can be created there", async () => {
  const constructions = files.filter((file) => file in created);
  expect(constructions).toEqual(Object.keys(created).sort());
  const source = [
    ...files.map((file, index) => `import * as module${index} from "./${file}";`),
    `const modules = { ${files.map((file, index) => `"${file}": module${index}`).join(", ")} };`,
    `const created = [${constructions.map((file) => `((it) => ${created[file]})(modules["${file}"])`).join(", ")}];`,
    "const loaded = Object.keys(modules);",
    "export default { fetch: () => Response.json({ loaded, created: created.map((each) => typeof each) }) };",
  ].join("\n");
  expect(await answerOf(source)).toEqual({ loaded: files, created: constructions.map(() => "object") });
});

test.each([
  ["starts a timer", "setInterval(() => undefined, 1_000);"],
  ["aborts after a time", "AbortSignal.timeout(1_000);"],
  ["draws a random number", "crypto.randomUUID();"],
  ["does I/O", 'await fetch("http://127.0.0.1:9/");'],
])("a module that %s does not load there", async (_, statement) => {
  const source = `${statement}\nexport default { fetch: () => Response.json("started") };`;
  await expect(answerOf(source)).rejects.toThrow("Disallowed operation called within global scope");
});
