/** The shared store in memory, on a given clock. It behaves like the script in Redis. */

import type { BucketAsk, BucketReply } from "../../../../src/middleware/rate-limit/limit-store.ts";
import {
  type BucketLevel,
  type BucketRule,
  holds,
  inAdvance,
  levelAt,
  waitMs,
} from "../../../../src/middleware/rate-limit/token-bucket.ts";

export type Taken = (bucket: string, tokens: number) => void;

export class MemoryLimitStore {
  readonly #states = new Map<string, BucketLevel>();
  readonly #overrides = new Map<string, BucketRule>();
  readonly #now: () => number;
  /** How far its clock is ahead of the simulation's. */
  #aheadMs = 0;
  /** Round trips so far. */
  trips = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A replica takes over with the same data; its clock is that far ahead, or behind if negative. */
  failOver(aheadMs: number): void {
    this.#aheadMs = aheadMs;
  }

  override(field: string, rule: BucketRule | undefined): void {
    if (rule === undefined) this.#overrides.delete(field);
    else this.#overrides.set(field, rule);
  }

  /** @param taken is called for all tokens that leave a bucket */
  take(asks: readonly BucketAsk[], taken: Taken = () => undefined): readonly BucketReply[] {
    this.trips += 1;
    const nowMs = this.#now() + this.#aheadMs;
    const buckets = asks.map((ask) => {
      const rule = (ask.overrideField && this.#overrides.get(ask.overrideField)) || ask.rule;
      const level = levelAt(this.#states.get(ask.bucket), rule, nowMs);
      return { ask, rule, level, lackMs: waitMs(rule.capacity - level, ask.need, rule) };
    });
    const isRejected = buckets.some(({ ask, lackMs }) => lackMs > 0 && !ask.isDryRun);
    return buckets.map(({ ask, rule, level, lackMs }) => {
      const available = rule.capacity - level;
      const extra = Math.min(ask.want, inAdvance(available, rule, ask.share));
      const granted = isRejected || !holds(available, ask.need) ? 0 : Math.max(ask.need, extra);
      const isAhead = (this.#states.get(ask.bucket)?.atMs ?? nowMs) > nowMs;
      if (granted > 0 || isAhead) this.#states.set(ask.bucket, { level: level + granted, atMs: nowMs });
      if (granted > 0) taken(ask.bucket, granted);
      return { granted, available: available - granted, rule, waitMs: lackMs };
    });
  }
}
