/** Starts a server again when it ends, as the kubelet does. */
import { setTimeout } from "node:timers/promises";
import type { ChildExit } from "./child-process.ts";

/** The delay doubles with each end, up to 30 s: a server that ends at once does not keep the machine busy. */
const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 30_000;
/** After this time, an end counts as the first one again. */
const STABLE_MS = 60_000;

interface Server {
  readonly pid: number;
  readonly exited: Promise<ChildExit>;
  stop(): Promise<void>;
}

interface SupervisorOptions {
  /** Such as "origin 1". */
  readonly name: string;
  /** The server that runs. */
  readonly first: Server;
  /** Rejects if the signal aborts; no process is left then. */
  readonly start: (signal: AbortSignal) => Promise<Server>;
  readonly print: (line: string) => void;
  /** Returns early if the signal aborts. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds. */
  readonly now?: () => number;
}

const waitFor = (ms: number, signal: AbortSignal): Promise<void> =>
  setTimeout(ms, undefined, { signal }).catch(() => undefined);

export const describeExit = ({ code, signal }: ChildExit): string =>
  signal ?? (code === null ? "unknown reason" : `exit code ${code}`);

export interface Supervisor {
  /** Stops the server and starts it again at once, also while it waits for that. @returns whether it runs */
  replace(): Promise<boolean>;
  /** Does not start it again when it ends, until `release`. */
  hold(): void;
  /** Starts it again at once, if it has ended. */
  release(): void;
  /** Stops the server for good. */
  stop(): Promise<void>;
}

export const supervise = (options: SupervisorOptions): Supervisor => {
  const { name, first, start, print, wait = waitFor, now = () => performance.now() } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let server: Server | undefined = first;
  let restarting: Promise<void> | undefined;
  /** Ends the present delay. */
  let wake = new AbortController();
  let held: PromiseWithResolvers<void> | undefined;

  const startAgain = async (): Promise<void> => {
    const ended = server;
    server = undefined;
    try {
      await ended?.stop();
      server = await start(signal);
      print(`  ✓ ${name} runs again (process ${server.pid})`);
    } catch (error) {
      if (!signal.aborted) print(`  ! ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const restart = (): Promise<void> => {
    restarting ??= startAgain().finally(() => {
      restarting = undefined;
    });
    return restarting;
  };

  const run = async (): Promise<void> => {
    let delayMs = FIRST_DELAY_MS;
    while (!signal.aborted) {
      const startedMs = now();
      const watched = server;
      const exit = await watched?.exited;
      // The end of a server that was replaced may be noticed late.
      await restarting;
      if (signal.aborted) break;
      if (server !== undefined && server !== watched) continue;
      if (now() - startedMs > STABLE_MS) delayMs = FIRST_DELAY_MS;
      const cause =
        server === undefined || exit === undefined
          ? "did not start"
          : `has exited unexpectedly (${describeExit(exit)})`;
      print(`  ! ${name} ${cause}: it starts again in ${delayMs / 1_000} s`);
      wake = new AbortController();
      await wait(delayMs, AbortSignal.any([signal, wake.signal]));
      await held?.promise;
      if (!signal.aborted) await restart();
      delayMs = Math.min(2 * delayMs, MAX_DELAY_MS);
    }
    await server?.stop();
  };
  const running = run();
  return {
    replace: async () => {
      wake.abort();
      // One that is under way may have read what has changed since.
      await restarting;
      await restart();
      return server !== undefined;
    },
    hold: () => {
      held ??= Promise.withResolvers();
    },
    release: () => {
      held?.resolve();
      held = undefined;
      wake.abort();
    },
    stop: async () => {
      stopping.abort();
      held?.resolve();
      await server?.stop();
      await running;
    },
  };
};
