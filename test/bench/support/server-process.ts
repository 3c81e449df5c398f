/** A program under test that listens on a port of 127.0.0.1, and ends with the benchmark. */
import { withTimeout } from "../../../src/lib/async.ts";
import { spawnChild } from "../../../src/local/child-process.ts";
import { childEnvironment } from "../../../src/local/environment.ts";
import { LocalError } from "../../../src/local/local-error.ts";
import type { Run } from "./bench.ts";
import { exchange } from "./exchange.ts";

export interface ServerOptions {
  /** For messages, such as "Express". */
  readonly name: string;
  /** @default Node */
  readonly command?: string;
  readonly args: readonly string[];
  /** The folder in which it runs. */
  readonly folder: string;
  /** All of its environment but PATH, HOST, PORT and NODE_ENV. @default nothing else */
  readonly environment?: Readonly<Record<string, string>>;
  readonly port: number;
  /** A request that it answers with 200 once it is ready; made anew for each try. */
  readonly readyRequest: () => string | Promise<string>;
  /** Precedes the command, such as `taskset`. @default nothing */
  readonly before?: readonly string[];
  /** Receives its standard output: a file or a named pipe. @default /dev/null */
  readonly log?: string;
}

export interface ServerProcess {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  /** The last lines of its standard error. */
  tail(): readonly string[];
}

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 30;

/** The shell only redirects; `exec` makes it the program itself. */
const LOGGED = 'log="$0"; exec "$@" >"$log"';

/** @throws LocalError if it ends or does not answer with 200 within 30 s */
export const startServer = async (options: ServerOptions, { signal, stops }: Run): Promise<ServerProcess> => {
  const { name, command = process.execPath, args, folder, environment, port, readyRequest } = options;
  const { before = [], log = "/dev/null" } = options;
  const child = spawnChild({
    name,
    command: "/bin/sh",
    args: ["-c", LOGGED, log, ...before, command, ...args],
    cwd: folder,
    endsWithParent: "SIGTERM",
    env: {
      ...childEnvironment(),
      NODE_ENV: "production",
      HOST: "127.0.0.1",
      PORT: String(port),
      ...environment,
    },
  });
  const { pid, tail } = child;
  stops.add(() => child.stop({ timeoutMs: STOP_TIMEOUT_MS }));
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    signal.throwIfAborted();
    const answer = await exchange(port, await readyRequest()).then(
      ({ status, body }) => (status === 200 ? "ready" : `${status} ${body}`),
      String,
    );
    if (answer === "ready") return { name, port, pid, tail };
    const isGone = await withTimeout(
      child.exited.then(() => true),
      POLL_MS,
      { fallback: false },
    );
    const output = tail().join("\n");
    if (isGone) throw new LocalError(`${name} ended during its start: ${output || "no output"}`);
    if (performance.now() > deadlineMs)
      throw new LocalError(`${name} was not ready in time: ${answer}\n${output}`);
  }
};
