/** The real `src/origin/main.ts` as a process of its own, ready or not, with everything that it says. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { vi } from "vitest";
import { withTimeout } from "../../src/lib/async.ts";
import { type ChildExit, spawnChild } from "../../src/local/child-process.ts";
import { compileCache, projectFolder } from "../../src/local/state-dir.ts";

/** A line of the log; a line that is no JSON has only `text`. */
export type LogEntry = Readonly<Record<string, unknown>>;

export interface OriginProcess {
  readonly pid: number;
  /** All it has said so far. */
  readonly entries: readonly LogEntry[];
  /** What it has said in these words so far. */
  all(message: string): LogEntry[];
  /** The first line in these words; rejects where it ends, or much time passes, without. */
  said(message: string): Promise<LogEntry>;
  /** Where it listens, as it says itself. */
  addresses(): Promise<{ readonly api: string; readonly admin: string }>;
  signal(name: NodeJS.Signals): void;
  readonly exited: Promise<ChildExit>;
  /** Ends it, and every process that it has started, however it is. */
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

/** Node's option that loads the faults. */
export const faultsOption = `--import=${pathToFileURL(join(import.meta.dirname, "faults.ts")).href}`;

/** With nothing behind it, and addresses that refuse. */
export const ALONE = {
  DATABASE_URL: "postgres://nobody@127.0.0.1:9/none",
  REDIS_URL: "http://127.0.0.1:9",
  REDIS_TOKEN: "token",
  SIGNING_KEYS: `k:${"A".repeat(43)}=`,
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
      PATH: process.env["PATH"],
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
  const said = (message: string): Promise<LogEntry> => {
    const untilMs = performance.now() + SAY_TIMEOUT_MS;
    const find = (): LogEntry | undefined => {
      const [first] = all(message);
      if (first === undefined && (isOver || performance.now() > untilMs))
        throw new Error(`never said «${message}»:\n${child.tail().join("\n")}`);
      return first;
    };
    return vi.waitUntil(find, { timeout: 2 * SAY_TIMEOUT_MS, interval: 5 });
  };

  return {
    pid: child.pid,
    entries,
    all,
    said,
    addresses: async () => {
      const { port, adminPort } = await said("listening");
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

/** Whether it runs; one that has ended, and that its parent has not asked about, does not. */
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

/** Resolves with how it ended; rejects where it does not in time. */
export const exitOf = ({ exited }: OriginProcess, withinMs = SAY_TIMEOUT_MS): Promise<ChildExit> =>
  withTimeout(exited, withinMs);
