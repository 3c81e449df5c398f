/**
 * Child processes, each in its own process group: a terminal's Ctrl-C reaches only this process, which then
 * stops its children in order.
 */
import { type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { withTimeout } from "../lib/async.ts";
import { isSystemError, LocalError } from "./local-error.ts";

const TAIL_LINES = 20;

/** Environment, folder and user default to those of this process; another user requires root. */
interface ChildOptions extends Pick<SpawnOptions, "env" | "cwd" | "uid" | "gid"> {
  /** For messages, such as "origin 1". */
  readonly name: string;
  /** A path, or a name on the PATH. */
  readonly command: string;
  readonly args?: readonly string[];
  /** Standard input. @default none */
  readonly input?: string;
  /** Receives each line of standard output and error. */
  readonly onLine?: (line: string, stream: "stdout" | "stderr") => void;
  /** Signal for it if this process ends first, even by SIGKILL. @default none */
  readonly endsWithParent?: NodeJS.Signals;
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** Resolves after the exit and the last lines; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** The last lines of its output. */
  tail(): readonly string[];
  /** Sends a signal if it still runs; SIGKILL goes to its whole process group. */
  signal(name: NodeJS.Signals): void;
  /** Sends the signal (SIGTERM), kills the group after a timeout (10 s), and waits for the exit. */
  stop(options?: { readonly signal?: NodeJS.Signals; readonly timeoutMs?: number }): Promise<void>;
}

/** @throws LocalError if the process cannot be started */
export function spawnChild(options: ChildOptions): Child {
  const { name, command, args = [], input, onLine, endsWithParent, ...settings } = options;
  const child = spawn(command, args, { ...settings, detached: true, stdio: "pipe" });
  // The event with the reason comes too late for the caller.
  child.on("error", () => {});
  const { pid } = child;
  if (pid === undefined) {
    throw new LocalError(`${name} could not be started: ${command} was not found or cannot be run (npm ci?)`);
  }
  const lines: string[] = [];
  for (const stream of ["stdout", "stderr"] as const) {
    createInterface({ input: child[stream] }).on("line", (line) => {
      lines.push(line);
      if (lines.length > TAIL_LINES) lines.shift();
      onLine?.(line, stream);
    });
  }
  // A child that exits without reading its input is reported by its exit, not by EPIPE.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  if (endsWithParent !== undefined) child.once("exit", endWithParent(pid, endsWithParent));

  let isOver = false;
  const exited = new Promise<ChildExit>((resolve) => {
    child.once("close", (code, signal) => {
      isOver = true;
      resolve({ code, signal });
    });
  });
  const send = (signal: NodeJS.Signals): void => {
    if (isOver) return;
    try {
      // A killed process cannot stop its own children.
      process.kill(signal === "SIGKILL" ? -pid : pid, signal);
    } catch {
      // It has just exited.
    }
  };
  const stop: Child["stop"] = async ({ signal = "SIGTERM", timeoutMs = 10_000 } = {}) => {
    send(signal);
    await withTimeout(exited, timeoutMs, { fallback: undefined });
    send("SIGKILL");
    await exited;
  };
  return { name, pid, exited, tail: () => [...lines], signal: send, stop };
}

export interface RunOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Extracts the reason of a failure. @default the last line with an error, or else the last line */
  readonly reasonOf?: (lines: readonly string[]) => string;
}

/**
 * Starts a server and waits for an output line that `isReady` accepts.
 *
 * @throws LocalError if it exits early or takes too long; the signal's reason. The process has ended then.
 */
export async function startServer(
  options: ChildOptions,
  isReady: (line: string) => boolean,
  limits: RunOptions,
): Promise<Child> {
  limits.signal?.throwIfAborted();
  const ready = Promise.withResolvers<void>();
  const onLine = (line: string, stream: "stdout" | "stderr"): void => {
    options.onLine?.(line, stream);
    if (isReady(line)) ready.resolve();
  };
  const child = spawnChild({ ...options, onLine });
  void child.exited.then(() => ready.reject(new Error("it has exited")));
  await waitFor(ready.promise, child, "did not start", limits, options.endsWithParent);
  return child;
}

/**
 * Runs a program to its end.
 *
 * @throws LocalError if it fails or takes too long; the signal's reason. The process has ended then.
 */
export async function runProgram(options: ChildOptions, limits: RunOptions): Promise<void> {
  limits.signal?.throwIfAborted();
  const child = spawnChild(options);
  const done = child.exited.then(({ code }) => {
    if (code !== 0) throw new Error(`exit code ${code}`);
  });
  await waitFor(done, child, "failed", limits);
}

/** Stops the child if the event fails or takes too long. */
const waitFor = async (
  event: Promise<void>,
  child: Child,
  failure: string,
  { timeoutMs, signal, reasonOf = lastError }: RunOptions,
  stopSignal: NodeJS.Signals = "SIGTERM",
): Promise<void> => {
  const limit = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])]);
  const aborted = Promise.withResolvers<never>();
  limit.addEventListener("abort", () => aborted.reject(limit.reason));
  try {
    await Promise.race([event, aborted.promise]);
  } catch (cause) {
    await child.stop({ signal: stopSignal });
    signal?.throwIfAborted();
    const result = limit.aborted ? `took longer than ${timeoutMs / 1_000} s` : failure;
    throw new LocalError(`${child.name} ${result}: ${reasonOf(child.tail())}`, { cause });
  }
};

const lastError = (lines: readonly string[]): string => {
  const isError = (line: string): boolean => /\b(FATAL|PANIC|ERROR|error)\b|could not|cannot/.test(line);
  const line = lines.findLast(isError) || lines.at(-1) || "no output";
  return line.replace(/^.*?\b(FATAL|PANIC|ERROR|LOG):\s+/, "").trim();
};

/** Whether a process with the id runs. */
export const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // It is another user's.
    return isSystemError(error, "EPERM");
  }
};

/** Whether an executable program of this name is on the PATH. */
export const isOnPath = (command: string): boolean =>
  spawnSync("/bin/sh", ["-c", 'command -v "$0"', command]).status === 0;

/**
 * Signals a process when this one ends, even by SIGKILL: a shell notices the end of its standard input.
 *
 * @returns cancels it; call it when the process has exited
 */
export function endWithParent(pid: number, signal: NodeJS.Signals): () => void {
  // A stopped process receives other signals only when it continues.
  const script = `read -r _ || { kill -s ${signal.slice("SIG".length)} ${pid}; kill -s CONT ${pid}; }`;
  const watchdog = spawn("/bin/sh", ["-c", script], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  watchdog.on("error", () => {});
  watchdog.stdin.on("error", () => {});
  watchdog.unref();
  return () => void watchdog.stdin.end("\n");
}
