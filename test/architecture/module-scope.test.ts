/**
 * A Worker's module scope may do no I/O, start no timer and draw no random number. All shared code loads there, and
 * long-lived objects can be created there.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { build } from "esbuild";
import { Log, LogLevel, Miniflare } from "miniflare";
import { expect, test } from "vitest";
import { projectFolder } from "../../src/local/folder.ts";

const src = join(projectFolder, "src");
const shared = ["contract", "lib", "middleware", "resilience", "security-events", "telemetry"];
const files = shared
  .flatMap((folder) =>
    readdirSync(join(src, folder), { recursive: true, encoding: "utf8" }).map((name) => `${folder}/${name}`),
  )
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
  .sort();

/** Expressions that create an object of a file's module, `it`. */
const made: Readonly<Record<string, string>> = {
  "resilience/circuit-breaker/circuit-breaker.ts":
    "it.createBreaker({}, { now: () => 0, random: () => 0 }).tryAcquire()",
  "middleware/response-cache/invalidations.ts": "it.createInvalidations()",
  "resilience/single-flight.ts": "new it.SingleFlight()",
  "resilience/concurrency-limit/concurrency-limit.ts":
    "it.createOverloadLimit({}, { now: () => 0, random: () => 0 })",
  "middleware/signature/nonce-memory.ts": "it.createNonceMemory(1_000)",
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

/** The response of a worker whose only module this is. @throws with the output of a runtime that does not start */
const answerOf = async (source: string): Promise<unknown> => {
  const said: string[] = [];
  const hear = (stream: Readable): void => void stream.on("data", (text) => void said.push(String(text)));
  const miniflare = new Miniflare({
    modules: true,
    script: await bundle(source),
    compatibilityDate: "2026-07-22",
    log: new Log(LogLevel.NONE),
    handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
      hear(stdout);
      hear(stderr);
    },
    cf: false,
  });
  try {
    const response = await miniflare.dispatchFetch("http://worker/");
    return await response.json();
  } catch (error) {
    throw new Error(said.join(""), { cause: error });
  } finally {
    await miniflare.dispose().catch(() => undefined);
  }
};

test("all shared code loads at a Worker's module scope, and its long-lived objects can be created there", async () => {
  const constructions = files.filter((file) => file in made);
  expect(constructions).toHaveLength(Object.keys(made).length);
  const source = [
    ...files.map((file, index) => `import * as module${index} from "./${file}";`),
    `const modules = { ${files.map((file, index) => `"${file}": module${index}`).join(", ")} };`,
    `const made = [${constructions.map((file) => `((it) => ${made[file]})(modules["${file}"])`).join(", ")}];`,
    "const loaded = Object.keys(modules);",
    "export default { fetch: () => Response.json({ loaded, made: made.map((each) => typeof each) }) };",
  ].join("\n");
  expect(await answerOf(source)).toEqual({ loaded: files, made: constructions.map(() => "object") });
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
