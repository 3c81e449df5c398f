/** A program that is no Node process and listens on a port: it is started, waited for, and ends with the benchmark. */
import { spawnChild } from "../../../src/local/child-process.ts";
import { LocalError } from "../../../src/local/local-error.ts";
import { exchange } from "./exchange.ts";

export interface ProgramOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly port: number;
  /** A request that it answers with 200 once it is ready. */
  readonly readyRequest: string;
  readonly signal: AbortSignal;
}

export interface ProgramProcess {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 2_000;
const POLL_MS = 20;

/** @throws LocalError where it ends or does not answer with 200 in time */
export const startProgram = async (options: ProgramOptions): Promise<ProgramProcess> => {
  const { name, command, args, folder, port, readyRequest, signal } = options;
  const child = spawnChild({ name, command, args, cwd: folder });
  const stop = (): Promise<void> => child.stop({ timeoutMs: STOP_TIMEOUT_MS });
  // A benchmark that ends on the spot ends it too.
  const kill = (): void => child.signal("SIGKILL");
  process.once("exit", kill);
  void child.exited.then(() => process.off("exit", kill));
  try {
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      signal.throwIfAborted();
      const status = await exchange(port, readyRequest).then(
        (answer) => answer.status,
        (error: unknown) => String(error),
      );
      if (status === 200) return { port, pid: child.pid, stop };
      const isGone = await child.exitsWithin(POLL_MS);
      const told = child.tail().join("\n");
      if (isGone) throw new LocalError(`${name} ended while it started: ${told || "it wrote nothing"}`);
      if (performance.now() > deadlineMs)
        throw new LocalError(`${name} was not ready in time: ${status}\n${told}`);
    }
  } catch (error) {
    await stop();
    throw error;
  }
};
