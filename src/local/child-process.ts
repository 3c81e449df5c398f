/**
 * Child processes.
 *
 * Each runs in its own process group, so that a terminal's Ctrl-C reaches only this process, which then stops its children
 * in order.
 */
import { execFile, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import * as z from "zod/mini";
import { withTimeout } from "../lib/async.ts";
import { LocalError } from "./local-error.ts";

const TAIL_LINES = 20;

/** The environment, the folder and the user are this process's by default; another user requires root. */
export interface ChildOptions extends Pick<SpawnOptions, "env" | "cwd" | "uid" | "gid"> {
  /** For messages, such as "origin 1". */
  readonly name: string;
  /** A path, or a name on the PATH. */
  readonly command: string;
  readonly args?: readonly string[];
  /** Its standard input. @default none */
  readonly input?: string;
  /** Receives each line of its standard output and error. */
  readonly onLine?: (line: string) => void;
  /** The signal it gets if this process ends first, even by SIGKILL. @default none */
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
  exitsWithin(ms: number): Promise<boolean>;
  /** The last lines of its output. */
  tail(): readonly string[];
  /** Sends a signal if it still runs; SIGKILL goes to its whole process group. */
  signal(name: NodeJS.Signals): void;
  /** Sends the signal (SIGTERM), kills the process group if it does not exit in time (10 s), and waits for the exit. */
  stop(options?: { readonly signal?: NodeJS.Signals; readonly timeoutMs?: number }): Promise<void>;
}

/** @throws LocalError if the process cannot be started */
export function spawnChild(options: ChildOptions): Child {
  const { name, command, args = [], input, onLine, endsWithParent, ...settings } = options;
  const child = spawn(command, args, { ...settings, detached: true, stdio: "pipe" });
  // The event, which has the reason, comes too late for the caller.
  child.on("error", () => {});
  const { pid } = child;
  if (pid === undefined) {
    throw new LocalError(`${name} could not be started: ${command} was not found or cannot be run (npm ci?)`);
  }
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      if (lines.length > TAIL_LINES) lines.shift();
      onLine?.(line);
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
  const exitsWithin = (ms: number): Promise<boolean> =>
    withTimeout(
      exited.then(() => true),
      ms,
      { fallback: false },
    );
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
    if (!(await exitsWithin(timeoutMs))) send("SIGKILL");
    await exited;
  };
  return { name, pid, exited, exitsWithin, tail: () => [...lines], signal: send, stop };
}

export interface StartOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The reason for a failure. @default the last line that contains an error, or else the last line */
  readonly reasonOf?: (lines: readonly string[]) => string;
}

/**
 * Starts a server and waits for the line of its output that `isReady` accepts.
 *
 * @throws LocalError if it exits before or is not ready in time; the signal's reason. The process has ended then.
 */
export async function startServer(
  options: ChildOptions,
  isReady: (line: string) => boolean,
  { timeoutMs, signal, reasonOf = lastError }: StartOptions,
): Promise<Child> {
  signal?.throwIfAborted();
  const ready = Promise.withResolvers<void>();
  const onLine = (line: string): void => {
    options.onLine?.(line);
    if (isReady(line)) ready.resolve();
  };
  const child = spawnChild({ ...options, onLine });
  void child.exited.then(() => ready.reject(new Error(`${child.name} has exited`)));
  const limit = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])]);
  limit.addEventListener("abort", () => ready.reject(limit.reason));
  try {
    await ready.promise;
    return child;
  } catch (cause) {
    await child.stop({ signal: options.endsWithParent ?? "SIGTERM" });
    signal?.throwIfAborted();
    const when = limit.aborted ? ` within ${timeoutMs / 1_000} s` : "";
    throw new LocalError(`${child.name} did not start${when}: ${reasonOf(child.tail())}`, { cause });
  }
}

/**
 * Runs a program to its end.
 *
 * @throws LocalError if it fails or takes too long; the signal's reason
 */
export async function runProgram(
  { name, command, args = [], cwd, env, uid, gid }: Omit<ChildOptions, "input" | "onLine" | "endsWithParent">,
  { timeoutMs, signal }: StartOptions,
): Promise<void> {
  const settings = { cwd, env, uid, gid, signal, timeout: timeoutMs };
  try {
    await promisify(execFile)(command, args, settings);
  } catch (cause) {
    signal?.throwIfAborted();
    const { killed: isLate = false, stderr = "" } = z.parse(execError, cause);
    const reason = isLate
      ? `not done within ${timeoutMs / 1_000} s`
      : lastError((stderr || String(cause)).trim().split("\n"));
    throw new LocalError(`${name} failed: ${reason}`, { cause });
  }
}

/** What execFile throws. */
const execError = z.object({ killed: z.optional(z.boolean()), stderr: z.optional(z.string()) });

const lastError = (lines: readonly string[]): string => {
  const isError = (line: string): boolean => /\b(FATAL|PANIC|ERROR|error)\b|could not|cannot/.test(line);
  const line = lines.findLast(isError) || lines.at(-1) || "no output";
  return line.replace(/^.*?\b(FATAL|PANIC|ERROR|LOG):\s+/, "").trim();
};

/** Whether an executable program of this name is on the PATH. */
export const isOnPath = (command: string): boolean =>
  spawnSync("/bin/sh", ["-c", 'command -v "$0"', command]).status === 0;

/**
 * Has a process signaled when this one ends, even by SIGKILL: a shell notices the end of its standard input.
 *
 * @returns a function that cancels it; call it when the process has exited
 */
export function endWithParent(pid: number, signal: NodeJS.Signals): () => void {
  const script = `read -r _ || kill -s ${signal.slice("SIG".length)} ${pid}`;
  const watchdog = spawn("/bin/sh", ["-c", script], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  watchdog.on("error", () => {});
  watchdog.stdin.on("error", () => {});
  watchdog.unref();
  return () => void watchdog.stdin.end("\n");
}
