/** Exactly which requests were admitted, and what that comes to. */
import {
  type BucketLevel,
  type BucketRule,
  holds,
  levelAt,
} from "../../../../src/middleware/rate-limit/token-bucket.ts";

/**
 * The log of one bucket. Its oracle is the bucket that one process would keep that decides everything: it is told what
 * was admitted, wherever it was.
 */
export class AdmissionLog {
  readonly #rule: BucketRule;
  #exact: BucketLevel | undefined;
  /** What was admitted beyond refill × time, since that was least: the most that any window has beyond its refill. */
  #aboveRefill = 0;
  #mostAboveRefill = 0;
  #lastMs = 0;
  admitted = 0;
  refused = 0;
  /** Refused although there were tokens that nobody had used. */
  falselyRefused = 0;

  constructor(rule: BucketRule) {
    this.#rule = rule;
  }

  admit(tokens: number, atMs: number): void {
    const refilled = ((atMs - this.#lastMs) * this.#rule.refillPerSecond) / 1000;
    // A window may begin at any admission: one before which more was admitted than came back is worth going on with.
    this.#aboveRefill = Math.max(0, this.#aboveRefill - refilled) + tokens;
    this.#mostAboveRefill = Math.max(this.#mostAboveRefill, this.#aboveRefill);
    this.#lastMs = atMs;
    // Beyond the capacity too: it was admitted.
    const level = this.#exact === undefined ? 0 : this.#drained(this.#exact, atMs);
    this.#exact = { level: level + tokens, atMs };
    this.admitted += 1;
  }

  refuse(tokens: number, atMs: number): void {
    this.refused += 1;
    const available = this.#rule.capacity - levelAt(this.#exact, this.#rule, atMs);
    if (holds(available, tokens)) this.falselyRefused += 1;
  }

  /** The most that any window admitted beyond what came back within it: the bound says capacity + refill × leaseMs. */
  get mostAboveRefill(): number {
    return this.#mostAboveRefill;
  }

  #drained({ level, atMs }: BucketLevel, nowMs: number): number {
    return Math.max(0, level - ((nowMs - atMs) * this.#rule.refillPerSecond) / 1000);
  }
}
