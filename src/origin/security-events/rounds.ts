/** Rounds of work, one after another: at an interval, or at once where somebody says that there is something to do. */
import { setTimeout as pause } from "node:timers/promises";

export interface Rounds {
  /** A round begins now, or as soon as the present one has ended. */
  nudge(): void;
  /** Begins no further round; resolves when a running one has ended. */
  stop(): Promise<void>;
}

/** @param work handles its own errors; told whether the rounds are to end, so that it can end early */
export const rounds = (work: (signal: AbortSignal) => Promise<void>, intervalMs: number): Rounds => {
  const stopping = new AbortController();
  let isNudged = false;
  let waking = new AbortController();

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      isNudged = false;
      await work(stopping.signal);
      if (isNudged || stopping.signal.aborted) continue;
      waking = new AbortController();
      await pause(intervalMs, undefined, { signal: waking.signal }).catch(() => undefined);
    }
  };
  const ended = run();
  const wake = (): void => waking.abort();
  return {
    nudge: () => {
      isNudged = true;
      wake();
    },
    stop: async () => {
      stopping.abort();
      wake();
      await ended;
    },
  };
};
