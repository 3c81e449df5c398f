/** Work in the background, again and again, never twice at a time. */
import { setTimeout as pause } from "node:timers/promises";

export interface Repetition {
  /** Begins no further round; resolves when a running one has ended. */
  stop(): Promise<void>;
}

/** @param intervalMs from the end of one round to the beginning of the next; `work` handles its own errors */
export const repeat = (work: () => Promise<void>, intervalMs: number): Repetition => {
  const stopping = new AbortController();
  const { signal } = stopping;
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await work();
      // The pause takes its listener back; racing one long-lived promise would gather them.
      await pause(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  };
  const ended = run();
  return {
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
};
