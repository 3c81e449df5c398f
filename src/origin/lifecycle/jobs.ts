/** Background work, repeated at an interval, with one run at a time. */
import { setTimeout as pause } from "node:timers/promises";
import type { OriginLog } from "../log/log.ts";

export interface Job {
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
  const { signal } = stopping;
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await work(signal);
      await pause(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  };
  const ended = run();
  return {
    stop: () => {
      stopping.abort();
      return ended;
    },
  };
};

export type TransitionLog = Pick<ReturnType<typeof logTransitions>, "failed" | "succeeded">;

/**
 * Logs when a repeated job begins to fail and when it recovers, not every failure.
 *
 * @param subject plural, for the log line: "security events for the webhook"
 * @param participle such as "delivered"
 */
export const logTransitions = (subject: string, participle: string, log: OriginLog) => {
  let isFailing = false;
  const failed = (error: unknown): void => {
    if (!isFailing) log.warn({ err: error }, `${subject} cannot be ${participle}`);
    isFailing = true;
  };
  const succeeded = (): void => {
    if (isFailing) log.info(`${subject} are ${participle} again`);
    isFailing = false;
  };
  return {
    failed,
    succeeded,
    /** Runs the work, and logs by its outcome. Never rejects. */
    run: (work: () => Promise<unknown>): Promise<void> => work().then(succeeded, failed),
  };
};
