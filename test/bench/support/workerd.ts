/** A worker in workerd itself, listening on a port of its own: the platform's runtime, and nothing before it. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { type ProgramProcess, startProgram } from "./program-process.ts";

export interface WorkerdOptions {
  readonly name: string;
  /** The one module of the worker. */
  readonly script: string;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  /** Its vars and secrets. */
  readonly environment: Readonly<Record<string, string>>;
  /** An empty one, for its files. */
  readonly folder: string;
  /** What stands before the command, such as `taskset`. */
  readonly before: readonly string[];
  /** A request that it answers with 200 once it is ready. */
  readonly readyRequest: string;
  /** Where debuggers find it, on 127.0.0.1; its scripts then have `gc`. @default nowhere */
  readonly inspectorPort?: number;
  readonly signal: AbortSignal;
}

/** Installed with miniflare; its package exports the same path, but no types. */
const WORKERD = join(projectFolder, "node_modules/workerd/bin/workerd");
const VERSION_TIMEOUT_MS = 10_000;

/** Such as "workerd 2026-07-22". */
export const workerdVersion = async (): Promise<string> =>
  (await promisify(execFile)(WORKERD, ["--version"], { timeout: VERSION_TIMEOUT_MS })).stdout.trim();

/** Of Cap'n Proto: JSON's form is one of its text's forms. */
const quoted = (text: string): string => JSON.stringify(text);

const configuration = (
  port: number,
  { compatibilityDate, compatibilityFlags, environment, inspectorPort }: WorkerdOptions,
): string => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  v8Flags = [${inspectorPort === undefined ? "" : quoted("--expose-gc")}],
  services = [
    (name = "worker", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = ${quoted(compatibilityDate)},
      compatibilityFlags = [${compatibilityFlags.map(quoted).join(", ")}],
      bindings = [${Object.entries(environment)
        .map(([name, text]) => `(name = ${quoted(name)}, text = ${quoted(text)})`)
        .join(", ")}],
      globalOutbound = "network",
    )),
    (name = "network", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "worker")],
);
`;

/** @throws LocalError where it ends or does not answer with 200 in time */
export const startWorkerd = async (options: WorkerdOptions): Promise<ProgramProcess> => {
  const { name, script, folder, before, readyRequest, inspectorPort, signal } = options;
  const port = await freePort();
  await writeFile(join(folder, "worker.js"), script);
  await writeFile(join(folder, "config.capnp"), configuration(port, options));
  const inspected = inspectorPort === undefined ? [] : [`--inspector-addr=127.0.0.1:${inspectorPort}`];
  const [command = WORKERD, ...args] = [...before, WORKERD, "serve", ...inspected, "config.capnp"];
  return await startProgram({ name, command, args, folder, port, readyRequest, signal });
};
