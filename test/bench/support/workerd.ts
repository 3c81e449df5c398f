/** A Worker in workerd itself, on a port of its own, with nothing in front of it. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { EdgeBundle } from "../../../src/local/edge.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import type { Run } from "./bench.ts";
import { type ServerOptions, type ServerProcess, startServer } from "./server-process.ts";

export interface WorkerdOptions
  extends Pick<ServerOptions, "name" | "folder" | "before" | "log">,
    Omit<EdgeBundle, "path"> {
  /** The Worker's only module. */
  readonly script: string;
  /** Its variables and secrets. */
  readonly environment: Readonly<Record<string, string>>;
  /** A request that it answers with 200 once it is ready. */
  readonly readyRequest: string;
  /** For debuggers, on 127.0.0.1; its scripts then have `gc`. @default none */
  readonly inspectorPort?: number;
}

/** Installed with miniflare; its package exports the same path, but no types. */
const WORKERD = join(projectFolder, "node_modules/workerd/bin/workerd");
const VERSION_TIMEOUT_MS = 10_000;

/** Such as "workerd 2026-07-22". */
export const workerdVersion = async (): Promise<string> =>
  (await promisify(execFile)(WORKERD, ["--version"], { timeout: VERSION_TIMEOUT_MS })).stdout.trim();

/** JSON is valid Cap'n Proto text. */
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

/**
 * @param options with an empty folder for its files
 * @throws LocalError if it ends or does not answer with 200 in time
 */
export const startWorkerd = async (options: WorkerdOptions, run: Run): Promise<ServerProcess> => {
  const { script, folder, readyRequest, inspectorPort } = options;
  const port = await freePort();
  await writeFile(join(folder, "worker.js"), script);
  await writeFile(join(folder, "config.capnp"), configuration(port, options));
  const inspector = inspectorPort === undefined ? [] : [`--inspector-addr=127.0.0.1:${inspectorPort}`];
  return await startServer(
    {
      ...options,
      command: WORKERD,
      args: ["serve", ...inspector, "config.capnp"],
      environment: {},
      port,
      readyRequest: () => readyRequest,
    },
    run,
  );
};
