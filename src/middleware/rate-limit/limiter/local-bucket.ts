import { type BucketRule, levelAt } from "./bucket.ts";

/** A bucket of the isolate's own, for while the store does not answer. */
export class LocalBucket {
  #level = 0;
  #atMs = 0;

  available(rule: BucketRule, nowMs: number): number {
    return rule.capacity - levelAt({ level: this.#level, atMs: this.#atMs }, rule, nowMs);
  }

  take(tokens: number, rule: BucketRule, nowMs: number): void {
    this.#level = rule.capacity - this.available(rule, nowMs) + tokens;
    this.#atMs = nowMs;
  }
}
