/** An origin as a child process: the production entry, `src/origin/main.ts`. */
import { join } from "node:path";
import { isJsonObject } from "../lib/json-object.ts";
import { type ChildExit, startServer } from "./child-process.ts";
import { apiEnvironment, childEnvironment } from "./environment.ts";
import { parseEntry } from "./log-format.ts";
import { compileCache, projectFolder } from "./state-dir.ts";

interface OriginOptions {
  /** Such as "origin 1". */
  readonly name: string;
  readonly port: number;
  /** By which the edge knows it. @default that of its port */
  readonly authority?: string;
  /** For probes and metrics. @default a free one */
  readonly adminPort?: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Receives each line of its log. */
  readonly onLine?: (line: string) => void;
}

export interface LocalOrigin {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  readonly adminUrl: string;
  readonly exited: Promise<ChildExit>;
  stop(): Promise<void>;
  /** SIGKILL, like the kernel's when memory runs out. */
  kill(): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;
/** Longer than the drain's own limit. */
const STOP_TIMEOUT_MS = 35_000;

/** The last line with an error, or else the last line. */
const reasonOf = (lines: readonly string[]): string => {
  const line = lines.findLast((each) => parseEntry(each)?.["err"]) ?? lines.at(-1) ?? "no output";
  const { message, err } = parseEntry(line) ?? {};
  return `${message ?? line}${isJsonObject(err) ? `: ${err["message"]}` : ""}`;
};

/**
 * Starts an origin and waits until it is ready.
 *
 * @throws LocalError if it exits before or is not ready in time; the signal's reason
 */
export const startOrigin = async (options: OriginOptions): Promise<LocalOrigin> => {
  const { name, port, environment, signal, onLine } = options;
  let adminPort: unknown;
  const child = await startServer(
    {
      name,
      command: process.execPath,
      args: [join(projectFolder, "src/origin/main.ts")],
      cwd: projectFolder,
      endsWithParent: "SIGTERM",
      env: {
        ...childEnvironment(),
        ...apiEnvironment(),
        ...compileCache,
        LOG_LEVEL: "info",
        HOST: "127.0.0.1",
        ADMIN_PORT: String(options.adminPort ?? 0),
        // The edge stops first, so no request is on its way to a stopping origin.
        PRE_STOP: "0s",
        ORIGIN_AUTHORITIES: options.authority ?? `127.0.0.1:${port}`,
        PORT: String(port),
        ...environment,
      },
      onLine: (line) => {
        adminPort ??= parseEntry(line)?.["adminPort"];
        onLine?.(line);
      },
    },
    (line) => parseEntry(line)?.["message"] === "ready",
    { timeoutMs: START_TIMEOUT_MS, signal, reasonOf },
  );
  return {
    name,
    pid: child.pid,
    url: `http://127.0.0.1:${port}`,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    exited: child.exited,
    stop: () => child.stop({ timeoutMs: STOP_TIMEOUT_MS }),
    kill: () => child.stop({ signal: "SIGKILL" }),
  };
};
