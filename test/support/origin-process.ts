/** The real `src/origin/main.ts` as a process, with its log. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { vi } from "vitest";
import { withTimeout } from "../../src/lib/async.ts";
import { type ChildExit, spawnChild } from "../../src/local/child-process.ts";
import { childEnvironment } from "../../src/local/environment.ts";
import { compileCache, projectFolder } from "../../src/local/state-dir.ts";
import { SIGNING_KEYS } from "./signed-request.ts";

/** A line of the log; a line that is not JSON has only `text`. */
export type LogEntry = Readonly<Record<string, unknown>>;

export interface OriginProcess {
  readonly pid: number;
  /** Its log so far. */
  readonly entries: readonly LogEntry[];
  /** All entries with this message so far. */
  all(message: string): LogEntry[];
  /** Waits for the first entry with this message; rejects if the process ends without it, or after a minute. */
  logged(message: string): Promise<LogEntry>;
  /** The URLs of its ports, from its log. */
  addresses(): Promise<{ readonly api: string; readonly admin: string }>;
  signal(name: NodeJS.Signals): void;
  readonly exited: Promise<ChildExit>;
  /** Kills it and every process that it has started. */
  kill(): Promise<void>;
}

/** Long enough for a busy machine to start several processes. */
const SAY_TIMEOUT_MS = 60_000;

const parse = (line: string): LogEntry => {
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === "object" && entry !== null ? { ...entry } : { text: line };
  } catch {
    return { text: line };
  }
};

/** NODE_OPTIONS that load the faults, besides those of every child. */
export const faultsOption = [
  childEnvironment()["NODE_OPTIONS"] ?? "",
  `--import=${pathToFileURL(join(import.meta.dirname, "faults.ts")).href}`,
].join(" ");

/** Neither database nor Redis: their addresses refuse connections. */
export const ALONE = {
  DATABASE_URL: "postgres://unused@127.0.0.1:9/unused",
  REDIS_URL: "http://127.0.0.1:9",
  REDIS_TOKEN: "token",
  SIGNING_KEYS,
};

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
}

export const runOrigin = ({ environment = {} }: RunOptions = {}): OriginProcess => {
  const entries: LogEntry[] = [];
  const child = spawnChild({
    name: "the origin",
    command: process.execPath,
    args: [join(projectFolder, "src/origin/main.ts")],
    cwd: projectFolder,
    endsWithParent: "SIGTERM",
    env: {
      ...childEnvironment(),
      ...compileCache,
      ...ALONE,
      ORIGIN_AUTHORITIES: "origin.test",
      HOST: "127.0.0.1",
      PORT: "0",
      ADMIN_PORT: "0",
      PRE_STOP: "0s",
      ...environment,
    },
    onLine: (line) => void entries.push(parse(line)),
  });
  let isOver = false;
  void child.exited.then(() => {
    isOver = true;
  });

  const all = (message: string): LogEntry[] => entries.filter((entry) => entry["message"] === message);
  const logged = (message: string): Promise<LogEntry> => {
    const untilMs = performance.now() + SAY_TIMEOUT_MS;
    const find = (): LogEntry | undefined => {
      const [first] = all(message);
      if (first === undefined && (isOver || performance.now() > untilMs))
        throw new Error(`did not log "${message}":\n${child.tail().join("\n")}`);
      return first;
    };
    return vi.waitUntil(find, { timeout: 2 * SAY_TIMEOUT_MS, interval: 5 });
  };

  return {
    pid: child.pid,
    entries,
    all,
    logged,
    addresses: async () => {
      const { port, adminPort } = await logged("listening");
      return { api: `http://127.0.0.1:${port}`, admin: `http://127.0.0.1:${adminPort}` };
    },
    signal: child.signal,
    exited: child.exited,
    kill: async () => {
      child.signal("SIGKILL");
      await child.exited;
    },
  };
};

/** Whether a process runs; a zombie does not. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    // A system without /proc.
    return true;
  }
};

/** Resolves with its exit; rejects if it does not end in time. */
export const exitOf = ({ exited }: OriginProcess, withinMs = SAY_TIMEOUT_MS): Promise<ChildExit> =>
  withTimeout(exited, withinMs);
