/**
 * A token bucket, stored as its level: the tokens that were taken and are not refilled yet. Up to the capacity, the rest
 * is available, so a bucket without a stored level is full.
 */

export interface BucketRule {
  /** Most tokens that can be taken at once. */
  readonly capacity: number;
  readonly refillPerSecond: number;
}

export interface BucketLevel {
  /** Tokens taken and not yet refilled. */
  readonly level: number;
  /** When the bucket had this level, milliseconds. */
  readonly atMs: number;
}

/** Tolerance for sums of fractions. */
const ROUNDING = 1e-9;

/** The level now. A clock that was set back refills nothing; a lowered capacity also caps the level. */
export const levelAt = (
  stored: BucketLevel | undefined,
  { capacity, refillPerSecond }: BucketRule,
  nowMs: number,
): number => {
  if (stored === undefined) return 0;
  const refilled = (Math.max(0, nowMs - stored.atMs) * refillPerSecond) / 1000;
  return Math.max(0, Math.min(stored.level, capacity) - refilled);
};

export const holds = (available: number, tokens: number): boolean => available + ROUNDING >= tokens;

/** Milliseconds until that many tokens are available; 0 if they are. */
export const waitMs = (available: number, tokens: number, { refillPerSecond }: BucketRule): number =>
  holds(available, tokens) ? 0 : Math.ceil(((tokens - available) / refillPerSecond) * 1000);

/**
 * Tokens that can be taken before they are needed.
 *
 * @param share of what is available, above 0 and at most 1. A small share shrinks further as the bucket empties: leased
 *   tokens may expire unused, and other isolates may need them
 */
export const inAdvance = (available: number, { capacity }: BucketRule, share: number): number =>
  Math.floor(available * share * (available / capacity) ** (1 - share));
