/**
 * Child processes of the local system.
 *
 * Each runs in a process group of its own, so that a terminal's Ctrl-C reaches only the parent, which then
 * stops its children in order.
 */
import { type ChildProcess, type Serializable, spawn } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { LocalError } from "./local-error.ts";

const tailLines = 20;
const tailLineLength = 2000;
/** How long after its exit a child's last lines may take to arrive; something it left behind may hold its pipes. */
const lastLinesMs = 250;

export interface ChildOptions {
  /** For messages, such as "origin 1". */
  readonly name: string;
  /** A path, or a name on the PATH. */
  readonly command: string;
  readonly args?: readonly string[];
  /** @default this process' own */
  readonly env?: NodeJS.ProcessEnv;
  /** @default this process' own */
  readonly cwd?: string;
  /** Whom it runs as; needs root. */
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** What it reads from its standard input. @default nothing */
  readonly input?: string;
  /** Opens a channel for `send` and `onMessage` (to a Node process). @default false */
  readonly ipc?: boolean;
  readonly onMessage?: (message: unknown) => void;
  /** Called with each line of its standard output and error. */
  readonly onLine?: (line: string) => void;
}

/** How a process ended: its exit code, or the signal that ended it. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StopOptions {
  /** What asks it to stop. @default "SIGTERM" */
  readonly signal?: NodeJS.Signals;
  /** How long it may take before its whole process group is killed. @default 10 000 */
  readonly timeoutMs?: number;
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the process is gone and its last lines have been read; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** Whether it exits within `ms`. */
  exitsWithin(ms: number): Promise<boolean>;
  /** The last lines it wrote. */
  tail(): readonly string[];
  /** Sends a message over the channel; one that can no longer arrive is dropped. */
  send(message: Serializable): void;
  /** Sends it a signal, if it is still there; SIGKILL goes to its whole process group. */
  signal(name: NodeJS.Signals): void;
  /** Signals it, kills it if that does not help in time, and resolves when it is gone. May be called again. */
  stop(options?: StopOptions): Promise<void>;
}

/**
 * Starts a process.
 *
 * @throws LocalError when it cannot be started, naming the program and what to do
 */
export function spawnChild(options: ChildOptions): Child {
  const { child, pid } = startProcess(options);
  const lines: string[] = [];
  const keep = (line: string): void => {
    lines.push(line.slice(0, tailLineLength));
    if (lines.length > tailLines) lines.shift();
    options.onLine?.(line);
  };

  const exited = untilGone(child);
  let running = true;
  child.once("exit", () => {
    running = false;
  });
  child.on("error", (error) => keep(`${options.name}: ${error.message}`));
  if (options.onMessage !== undefined) child.on("message", options.onMessage);
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on("line", keep);
  }
  // A child that exits without having read its input is told apart by its exit, not by EPIPE.
  child.stdin?.on("error", () => {});
  child.stdin?.end(options.input);

  const signalIt = (name: NodeJS.Signals): void => {
    if (running) sendSignal(pid, name);
  };
  const exitsWithin = async (ms: number): Promise<boolean> => {
    const timer = new AbortController();
    const timeout = pause(ms, false, { signal: timer.signal }).catch(() => false);
    const gone = await Promise.race([exited.then(() => true), timeout]);
    timer.abort();
    return gone;
  };
  const sent = new Set<NodeJS.Signals>();

  return {
    name: options.name,
    pid,
    exited,
    exitsWithin,
    tail: () => [...lines],
    send(message) {
      if (child.connected) child.send(message, () => {});
    },
    signal: signalIt,
    async stop({ signal = "SIGTERM", timeoutMs = 10_000 } = {}) {
      if (!sent.has(signal)) signalIt(signal);
      sent.add(signal);
      if (!(await exitsWithin(timeoutMs))) signalIt("SIGKILL");
      await exited;
    },
  };
}

function startProcess(options: ChildOptions): { child: ChildProcess; pid: number } {
  const { command, args = [], env, cwd, uid, gid, input, ipc = false } = options;
  const stdin = input === undefined ? "ignore" : "pipe";
  const child = spawn(command, args, {
    detached: true,
    stdio: ipc ? [stdin, "pipe", "pipe", "ipc"] : [stdin, "pipe", "pipe"],
    windowsHide: true,
    ...(env !== undefined && { env }),
    ...(cwd !== undefined && { cwd }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  });
  if (child.pid !== undefined) return { child, pid: child.pid };
  // Node tells the reason by an event, too late for the caller; here it is found by looking.
  child.on("error", () => {});
  throw new LocalError(`${options.name} could not be started: ${whyNot(command, cwd)}`);
}

function whyNot(command: string, cwd: string | undefined): string {
  if (cwd !== undefined && !existsSync(cwd)) return `its folder ${cwd} does not exist`;
  if (command.includes("/")) {
    if (!existsSync(command))
      return `the program ${command} does not exist; install the project again: npm ci`;
    return `the program ${command} may not be run here; check its permissions and that it is for this system`;
  }
  if (!isOnPath(command)) return `the program ${command} was not found; install it or put it on the PATH`;
  return `the program ${command} may not be run here; check its permissions and the limit of processes`;
}

/** Whether a program of this name is on the PATH and may be run. */
export function isOnPath(command: string): boolean {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) => folder !== "" && isExecutable(join(folder, command)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** SIGKILL goes to the whole group: what is killed cannot stop its own children any more. */
function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(signal === "SIGKILL" && process.platform !== "win32" ? -pid : pid, signal);
  } catch {
    // It exited a moment ago.
  }
}

async function untilGone(child: ChildProcess): Promise<ChildExit> {
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const exit = await new Promise<ChildExit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  const timer = new AbortController();
  await Promise.race([closed, pause(lastLinesMs, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
  child.stdout?.destroy();
  child.stderr?.destroy();
  return exit;
}
