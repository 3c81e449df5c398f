/** A server under test: a Node process whose log goes to a file, and which ends with the benchmark. */
import { setTimeout as pause } from "node:timers/promises";
import { type Child, spawnChild } from "../../../src/local/child-process.ts";
import { LocalError } from "../../../src/local/local-error.ts";
import { exchange } from "./exchange.ts";

export interface ServerOptions {
  /** Such as "Express". */
  readonly name: string;
  /** The folder in which it runs. */
  readonly folder: string;
  /** Node's own arguments and the program. */
  readonly args: readonly string[];
  /** All of its environment but PATH, HOST, PORT and NODE_ENV. */
  readonly environment: Readonly<Record<string, string>>;
  readonly port: number;
  /** A request that it answers with 200 once it is ready; made anew for each try. */
  readonly readyRequest: () => Promise<string>;
  /** What stands before the command, such as `taskset`. @default nothing */
  readonly before?: readonly string[];
  /** Where its standard output goes: a file, or a pipe that has a name. @default /dev/null */
  readonly log?: string;
  readonly signal: AbortSignal;
}

export interface ServerProcess {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  /** The last lines of its standard error. */
  tail(): readonly string[];
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 50;

/** `exec`: the shell only redirects, and is then the server itself. */
const LOGGED = 'log="$0"; exec "$@" >"$log"';

/**
 * Starts it and waits until it answers.
 *
 * @throws LocalError where it ends or does not answer with 200 within 30 s
 */
export const startServer = async (options: ServerOptions): Promise<ServerProcess> => {
  const { name, folder, args, environment, port, before = [], log = "/dev/null" } = options;
  const child = spawnChild({
    name,
    command: "/bin/sh",
    args: ["-c", LOGGED, log, ...before, process.execPath, ...args],
    cwd: folder,
    endsWithParent: "SIGTERM",
    env: {
      PATH: process.env["PATH"],
      NODE_ENV: "production",
      HOST: "127.0.0.1",
      PORT: String(port),
      ...environment,
    },
  });
  try {
    await untilReady(child, options);
  } catch (error) {
    await child.stop({ timeoutMs: STOP_TIMEOUT_MS });
    throw error;
  }
  const { pid, tail } = child;
  return { name, port, pid, tail, stop: () => child.stop({ timeoutMs: STOP_TIMEOUT_MS }) };
};

const untilReady = async (child: Child, { name, port, readyRequest, signal }: ServerOptions) => {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  let isGone = false;
  void child.exited.then(() => {
    isGone = true;
  });
  for (;;) {
    signal.throwIfAborted();
    const answer = await exchange(port, await readyRequest()).catch((error: unknown) => String(error));
    if (typeof answer === "object" && answer.status === 200) return;
    const last = typeof answer === "object" ? `${answer.status} ${answer.body}` : answer;
    const told = child.tail().join("\n");
    if (isGone) throw new LocalError(`${name} ended while it started: ${told || "it wrote nothing"}`);
    if (performance.now() > deadlineMs) {
      throw new LocalError(`${name} was not ready in time: ${last}${told && `\n${told}`}`);
    }
    await pause(POLL_MS);
  }
};
