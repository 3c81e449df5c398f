/** The exact log of admitted requests. */
import {
  type BucketLevel,
  type BucketRule,
  holds,
  levelAt,
} from "../../../../src/middleware/rate-limit/token-bucket.ts";

/**
 * The log of one bucket. Its oracle is the bucket that a single central process would keep, updated with all admissions in
 * all isolates.
 */
export class AdmissionLog {
  readonly #rule: BucketRule;
  #exact: BucketLevel | undefined;
  /** Tokens admitted beyond the refill, since that sum was last 0: the maximum over all windows that end now. */
  #aboveRefill = 0;
  #lastMs = 0;
  /** Most tokens that any window admitted beyond its refill. The bound is capacity + refill × leaseMs. */
  mostAboveRefill = 0;
  admitted = 0;
  refused = 0;
  /** Rejected although the oracle had tokens. */
  falselyRefused = 0;

  constructor(rule: BucketRule) {
    this.#rule = rule;
  }

  admit(tokens: number, atMs: number): void {
    const refilled = ((atMs - this.#lastMs) * this.#rule.refillPerSecond) / 1000;
    // A window may begin at any admission; the worst one begins after the sum was last 0.
    this.#aboveRefill = Math.max(0, this.#aboveRefill - refilled) + tokens;
    this.mostAboveRefill = Math.max(this.mostAboveRefill, this.#aboveRefill);
    this.#lastMs = atMs;
    // Not capped by the capacity: the request was admitted.
    const level = levelAt(this.#exact, { ...this.#rule, capacity: Number.POSITIVE_INFINITY }, atMs);
    this.#exact = { level: level + tokens, atMs };
    this.admitted += 1;
  }

  refuse(tokens: number, atMs: number): void {
    this.refused += 1;
    const available = this.#rule.capacity - levelAt(this.#exact, this.#rule, atMs);
    if (holds(available, tokens)) this.falselyRefused += 1;
  }
}
