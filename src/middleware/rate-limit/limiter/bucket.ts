/**
 * A token bucket, kept as the level of what has been taken: it drains at the refill's rate, and what is not taken up to
 * the capacity is available. So an empty state is a full bucket.
 */

export interface BucketRule {
  /** Tokens that may be taken at once. */
  readonly capacity: number;
  /** Tokens a second that come back. */
  readonly refillPerSecond: number;
}

export interface BucketState {
  /** Tokens that have been taken and are not back yet. */
  readonly level: number;
  /** When that was so, milliseconds. */
  readonly atMs: number;
}

/** What sums of fractions may be wrong by. */
const ROUNDING = 1e-9;

/**
 * What is taken now. A clock that was set back gives nothing back for that time; a capacity that was lowered is never
 * owed more than itself.
 */
export const levelAt = (
  state: BucketState | undefined,
  { capacity, refillPerSecond }: BucketRule,
  nowMs: number,
): number => {
  if (state === undefined) return 0;
  const back = (Math.max(0, nowMs - state.atMs) * refillPerSecond) / 1000;
  return Math.max(0, Math.min(state.level, capacity) - back);
};

export const holds = (available: number, tokens: number): boolean => available + ROUNDING >= tokens;

/** In how many milliseconds so many tokens are there; 0 where they are. */
export const waitMs = (available: number, tokens: number, { refillPerSecond }: BucketRule): number =>
  holds(available, tokens) ? 0 : Math.ceil(((tokens - available) / refillPerSecond) * 1000);

/**
 * How many may be taken that are not needed yet.
 *
 * @param share of what is available, above 0 and at most 1; the less there is, the smaller a small one becomes, so that
 *   what may end unused leaves a bucket to those who need it
 */
export const inAdvance = (available: number, { capacity }: BucketRule, share: number): number =>
  Math.floor(available * share * (available / capacity) ** (1 - share));
