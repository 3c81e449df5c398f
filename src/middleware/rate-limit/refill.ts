/** One call to the store, for tokens of one or several buckets. */
import type { LimitCheck } from "./limit-check.ts";
import type { BucketAsk, BucketReply } from "./limit-store.ts";
import type { Limiter } from "./limiter.ts";
import type { PendingRefill } from "./pending-refill.ts";

export class Refill {
  readonly sentAtMs: number;
  /** Milliseconds to wait for the reply. */
  readonly timeoutMs: number;
  readonly #limiter: Limiter;
  readonly #isPrefetch: boolean;
  readonly #buckets: PendingRefill[] = [];
  readonly #required: string[] = [];

  /** @param isPrefetch no request needs the tokens yet */
  constructor(limiter: Limiter, sentAtMs: number, timeoutMs: number, isPrefetch = false) {
    this.#limiter = limiter;
    this.sentAtMs = sentAtMs;
    this.timeoutMs = timeoutMs;
    this.#isPrefetch = isPrefetch;
  }

  /** A timeout shorter than the deadline is no evidence that the store is down. */
  get isHurried(): boolean {
    return this.timeoutMs < this.#limiter.settings.deadlineMs;
  }

  get asks(): readonly BucketAsk[] {
    return this.#buckets.map(({ plan }) => plan.ask);
  }

  /** @param need without this many tokens the request is rejected; 0 for a refill in advance */
  add(check: LimitCheck, need: number): void {
    const { limit, key, state } = check;
    const { sentAtMs } = this;
    const own = this.#isPrefetch ? 0 : need;
    const ask: BucketAsk = {
      ...key,
      rule: limit,
      need,
      want: limit.strict === true ? 0 : Math.max(need - own, state.wanted(sentAtMs)),
      share: state.share(limit, sentAtMs),
      isDryRun: limit.dryRun === true,
    };
    if (need > 0 && !ask.isDryRun) this.#required.push(key.bucket);
    const untilMs = sentAtMs + this.timeoutMs;
    this.#buckets.push(state.expect({ check, ask, own, sentAtMs, untilMs, required: this.#required }));
  }

  /** Updates the buckets, and settles the checks of the request that sent it. */
  answered(replies: readonly BucketReply[]): void {
    const nowMs = this.#limiter.now();
    this.#limiter.observeTrip(Math.min(nowMs - this.sentAtMs, this.timeoutMs));
    const isRejected = replies.some(({ waitMs }, i) => waitMs > 0 && !this.#buckets[i]?.plan.ask.isDryRun);
    for (const [index, pending] of this.#buckets.entries()) {
      const { check, own } = pending.plan;
      const reply = replies[index];
      if (reply === undefined) continue;
      check.state.answered(pending, reply, isRejected, nowMs);
      if (own > 0) check.settle("store", reply.waitMs);
    }
  }

  /** The store did not answer in time, or was not called. */
  failed(): void {
    const nowMs = this.#limiter.now();
    for (const pending of this.#buckets) pending.plan.check.state.failed(pending, nowMs);
  }
}
