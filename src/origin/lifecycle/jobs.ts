/** Background work, repeated at an interval or on request, with one run at a time. */
import { setTimeout as pause } from "node:timers/promises";
import type { OriginLog } from "../log/log.ts";

export interface Job {
  /** Starts a run immediately, or right after the current one. */
  runNow(): void;
  /** Starts no further run; resolves when the current one has ended. */
  stop(): Promise<void>;
}

/**
 * Starts the first run immediately.
 *
 * @param work handles its own errors; the signal aborts when the job stops
 * @param intervalMs from the end of one run to the start of the next
 */
export const startJob = (work: (signal: AbortSignal) => Promise<void>, intervalMs: number): Job => {
  const stopping = new AbortController();
  let waking = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      waking = new AbortController();
      await work(stopping.signal);
      await pause(intervalMs, undefined, waking).catch(() => undefined);
    }
  };
  const ended = run();
  return {
    runNow: () => waking.abort(),
    stop: () => {
      stopping.abort();
      waking.abort();
      return ended;
    },
  };
};

export interface TransitionLog {
  failed(error: unknown): void;
  succeeded(): void;
}

/**
 * Logs when a repeated job begins to fail and when it recovers, not every failure.
 *
 * @param what plural, for the log line: "security events for the webhook"
 * @param done past participle, such as "delivered"
 */
export const logTransitions = (what: string, done: string, log: OriginLog) => {
  let isFailing = false;
  const failed = (error: unknown): void => {
    if (!isFailing) log.warn({ err: error }, `${what} cannot be ${done}`);
    isFailing = true;
  };
  const succeeded = (): void => {
    if (isFailing) log.info(`${what} are ${done} again`);
    isFailing = false;
  };
  return {
    failed,
    succeeded,
    /** Does the work, and logs by its outcome. Never rejects. */
    run: (work: () => Promise<unknown>): Promise<void> => work().then(succeeded, failed),
  };
};
