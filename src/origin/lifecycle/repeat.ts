/** Work in the background, again and again, never twice at a time: at an interval, or at once where there is something to do. */
import { setTimeout as pause } from "node:timers/promises";

export interface Repetition {
  /** A round begins now, or as soon as the present one has ended. */
  nudge(): void;
  /** Begins no further round; resolves when a running one has ended. */
  stop(): Promise<void>;
}

/**
 * @param work handles its own errors; told whether it is to stop, so that it can end early
 * @param intervalMs from the end of one round to the beginning of the next
 */
export const repeat = (work: (signal: AbortSignal) => Promise<void>, intervalMs: number): Repetition => {
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
