/**
 * A token bucket, stored as its level: the tokens that were taken and are not refilled yet. Up to the capacity, the rest
 * is available, so a bucket without a stored level is full. A lease holds the tokens that an isolate has taken.
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
 * @param share of the available tokens, above 0 and at most 1. A small share shrinks further as the bucket empties: leased
 *   tokens may expire unused, and other isolates may need them
 */
export const inAdvance = (available: number, { capacity }: BucketRule, share: number): number =>
  Math.floor(available * share * (available / capacity) ** (1 - share));

/** With more groups, the two oldest merge and expire with the older one: early, never late. */
const MAX_GROUPS = 4;

/** Tokens that the isolate took from the store and has not used. They expire, and are never given back. */
export class Lease {
  /** Tokens of the same expiry, the earliest first. */
  readonly #groups: { tokens: number; readonly untilMs: number }[] = [];

  add(tokens: number, untilMs: number): void {
    if (tokens <= 0) return;
    const later = this.#groups.findIndex((group) => group.untilMs > untilMs);
    this.#groups.splice(later < 0 ? this.#groups.length : later, 0, { tokens, untilMs });
    const [first, second] = this.#groups;
    if (this.#groups.length <= MAX_GROUPS || first === undefined || second === undefined) return;
    this.#groups.splice(0, 2, { tokens: first.tokens + second.tokens, untilMs: first.untilMs });
  }

  /** @param beyondMs counts only tokens that are valid for longer than this */
  tokens(nowMs: number, beyondMs = 0): number {
    for (let [first] = this.#groups; first !== undefined; [first] = this.#groups) {
      if (first.tokens > 0 && first.untilMs > nowMs) break;
      this.#groups.shift();
    }
    let sum = 0;
    for (const { tokens, untilMs } of this.#groups) if (untilMs > nowMs + beyondMs) sum += tokens;
    return sum;
  }

  /** @returns the earliest expiry of the tokens used; undefined if there were too few, and then none is used */
  use(tokens: number, nowMs: number): number | undefined {
    if (this.tokens(nowMs) < tokens) return undefined;
    const untilMs = this.#groups[0]?.untilMs;
    let rest = tokens;
    for (const group of this.#groups) {
      const used = Math.min(rest, group.tokens);
      group.tokens -= used;
      rest -= used;
    }
    return untilMs;
  }
}
