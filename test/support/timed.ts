/** Work on vitest's fake clock. */
import { vi } from "vitest";

/** Advances the clock, a millisecond at a time, until the work has ended. */
export const ended = async <T>(work: Promise<T>, atMostMs = 60_000): Promise<T> => {
  let isOver = false;
  const end = (): void => {
    isOver = true;
  };
  work.then(end, end);
  for (let ms = 0; ms < atMostMs && !isOver; ms += 1) await vi.advanceTimersByTimeAsync(1);
  if (!isOver) throw new Error(`did not end within ${atMostMs} ms`);
  return await work;
};

/** The duration of the work, milliseconds; at least one. */
export const tookMs = async (work: () => Promise<unknown>): Promise<number> => {
  const beganMs = Date.now();
  await ended(work());
  return Date.now() - beganMs;
};
