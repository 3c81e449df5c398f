/** Our edge in workerd itself, listening on a port of its own: the platform's runtime, and nothing before it. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse } from "smol-toml";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { bundleWorker } from "../support/bundle-worker.ts";
import { startProgram } from "../support/program-process.ts";
import { type Contestant, READY_REQUEST } from "./contestant.ts";

/** Installed with miniflare; its package exports the same path, but no types. */
const WORKERD = join(projectFolder, "node_modules/workerd/bin/workerd");
const VERSION_TIMEOUT_MS = 10_000;

/** Of Cap'n Proto: JSON's form is one of its text's forms. */
const quoted = (text: string): string => JSON.stringify(text);

const list = (value: unknown): string =>
  Array.isArray(value) ? `[${value.map((each) => quoted(String(each))).join(", ")}]` : "[]";

const configuration = (
  port: number,
  compatibility: Readonly<Record<string, unknown>>,
  bindings: Readonly<Record<string, string>>,
): string => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "edge", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = ${quoted(String(compatibility["compatibility_date"]))},
      compatibilityFlags = ${list(compatibility["compatibility_flags"])},
      bindings = [${Object.entries(bindings)
        .map(([name, text]) => `(name = ${quoted(name)}, text = ${quoted(text)})`)
        .join(", ")}],
      globalOutbound = "replicas",
    )),
    (name = "replicas", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "edge")],
);
`;

const bundle = async (): Promise<string> => {
  return await bundleWorker({ entryPoints: [join(projectFolder, "test/bench/pool/worker.ts")] });
};

/** Bundled once; every turn starts it anew. */
export const breakwater = async (): Promise<{ contestant: Contestant; version: string }> => {
  const worker = await bundle();
  const compatibility = parse(await readFile(join(projectFolder, "wrangler.toml"), "utf8"));
  const { stdout } = await promisify(execFile)(WORKERD, ["--version"], { timeout: VERSION_TIMEOUT_MS });
  const contestant: Contestant = {
    name: "Breakwater",
    isOurs: true,
    isChosen: true,
    start: async ({ folder, upstream, ports, signal }) => {
      const port = await freePort();
      const bindings = {
        ORIGINS: ports.map((each) => `http://127.0.0.1:${each}`).join(","),
        SIGNING_KEYS: `bench:${randomBytes(32).toString("base64")}`,
        UPSTASH_REDIS_REST_URL: upstream.redisUrl,
        UPSTASH_REDIS_REST_TOKEN: "bench",
      };
      await writeFile(join(folder, "worker.js"), worker);
      await writeFile(join(folder, "config.capnp"), configuration(port, compatibility, bindings));
      return await startProgram({
        name: "Breakwater's edge",
        command: WORKERD,
        args: ["serve", "config.capnp"],
        folder,
        port,
        readyRequest: READY_REQUEST,
        signal,
      });
    },
  };
  return { contestant, version: stdout.trim() };
};
