/** How long what failed waits for its next attempt. */

const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;

/**
 * Twice as long each time, of which chance takes up to a half.
 *
 * @param attempts made so far, at least 1
 * @param random within 0 and 1
 * @returns milliseconds, at most 60,000
 */
export const backoffMs = (attempts: number, random: number): number =>
  longestBackoffMs(attempts) * (1 - random / 2);

/** What it is at most. */
export const longestBackoffMs = (attempts: number): number =>
  Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempts - 1, 16));
