/**
 * One call to the store, for tokens of one or several buckets. If it brings more tokens of a bucket than its own request
 * needs, other requests can wait for them. It is plain data, because on Workers requests must not await each other's
 * promises; if the request that sent it dies, it ends by timeout or when a waiting request declares it lost.
 */

import type { LimitCheck } from "./limit-check.ts";
import type { BucketAsk, BucketReply } from "./limit-store.ts";
import type { Limiter } from "./limiter.ts";
import { waitMs } from "./token-bucket.ts";

/** Timeouts after which a refill has been abandoned, as its request has died. */
const PATIENCE = 5;

/** One bucket's part of a refill. */
export class BucketRefill {
  readonly refill: Refill;
  readonly check: LimitCheck;
  readonly ask: BucketAsk;
  /** Expected tokens beyond those for the request that sent it. */
  readonly extra: number;
  /** It may bring far fewer tokens than wanted: requests that wait may be rejected. */
  readonly isScarce: boolean;
  readonly #claimable: number;
  #claimed = 0;
  readonly #waiting: LimitCheck[] = [];

  /** @param spare tokens beyond the need for which other requests may wait */
  constructor(refill: Refill, check: LimitCheck, ask: BucketAsk, spare: number, isScarce: boolean) {
    this.refill = refill;
    this.check = check;
    this.ask = ask;
    this.extra = Math.max(0, ask.want - ask.need);
    this.isScarce = isScarce && this.extra > 0;
    this.#claimable = spare;
  }

  /** Expected tokens for which no request waits. */
  unclaimed(nowMs: number): number {
    return this.refill.isPending(nowMs) ? this.extra - this.#claimed : 0;
  }

  /** A request must need all required buckets itself: otherwise another route's limit could reject its refill. */
  canClaim(tokens: number, buckets: readonly string[], nowMs: number): boolean {
    return (
      this.refill.isPending(nowMs) &&
      this.#claimable - this.#claimed >= tokens &&
      this.refill.required.every((bucket) => buckets.includes(bucket))
    );
  }

  claim(check: LimitCheck): void {
    this.#claimed += check.cost;
    this.#waiting.push(check);
  }

  /** Settles the checks of a strict limit that wait; none keeps a token for later. */
  settleWaiting(tokens: number, { available, rule }: BucketReply): void {
    let rest = tokens;
    for (const check of this.#waiting) {
      if (check.isSettled) continue;
      const isServed = rest >= check.cost;
      const lackMs = isServed ? 0 : waitMs(available, check.cost, rule);
      if (isServed) rest -= check.cost;
      // The store may have enough for it, and have rejected a request that costs more.
      if (isServed || lackMs > 0) check.settle("store", lackMs);
    }
  }

  /** Settles the checks that wait, in the order of their claims. @returns the tokens left */
  distribute(tokens: number, untilMs: number, paceMs: number): number {
    let rest = tokens;
    for (const check of this.#waiting) {
      if (check.isSettled) continue;
      if (rest >= check.cost) {
        rest -= check.cost;
        check.hold(untilMs);
      } else if (this.isScarce) check.settle("remembered", paceMs);
    }
    return rest;
  }
}

export class Refill {
  readonly sentAtMs: number;
  /** Milliseconds to wait for the reply. */
  readonly timeoutMs: number;
  /** All buckets whose shortage rejects the refill as a whole. */
  readonly required: string[] = [];
  readonly #limiter: Limiter;
  readonly #parts: BucketRefill[] = [];
  #status: "pending" | "answered" | "failed" | "lost" = "pending";

  constructor(limiter: Limiter, sentAtMs: number, timeoutMs: number) {
    this.#limiter = limiter;
    this.sentAtMs = sentAtMs;
    this.timeoutMs = timeoutMs;
  }

  /** A timeout shorter than the deadline is no evidence that the store is down. */
  get isHurried(): boolean {
    return this.timeoutMs < this.#limiter.settings.deadlineMs;
  }

  get asks(): readonly BucketAsk[] {
    return this.#parts.map(({ ask }) => ask);
  }

  /** In a busy isolate the timeout ends late. If the request that sent it dies, it never ends. */
  isPending(nowMs: number): boolean {
    return this.#status === "pending" && nowMs < this.sentAtMs + PATIENCE * this.timeoutMs;
  }

  /** Whether it ended without evidence that the store is down. */
  get isOver(): boolean {
    return this.#status === "answered" || this.#status === "lost";
  }

  /** @param need without this many tokens the request is rejected; 0 for a refill in advance */
  add(check: LimitCheck, need: number): void {
    const { limit, key, state } = check;
    this.#add(check, { need, want: state.wanted(this.sentAtMs), share: state.share(limit, this.sentAtMs) });
    if (need > 0 && limit.dryRun !== true) this.required.push(key.bucket);
  }

  /** @param joining checks of the same strict limit for whose tokens it asks as well */
  addStrict(check: LimitCheck, joining: readonly LimitCheck[]): void {
    const { cost, state, key, limit } = check;
    const need = cost + state.owed(limit, this.sentAtMs);
    const others = joining.reduce((sum, each) => sum + each.cost, 0);
    const part = this.#add(check, { need, want: others > 0 ? need + others : 0, share: 1 });
    for (const each of joining) part.claim(each);
    if (limit.dryRun !== true) this.required.push(key.bucket);
  }

  #add(check: LimitCheck, amounts: Pick<BucketAsk, "need" | "want" | "share">): BucketRefill {
    const { limit, key, state } = check;
    const ask: BucketAsk = { ...key, rule: limit, ...amounts, isDryRun: limit.dryRun === true };
    const part = state.expect(this, check, ask);
    this.#parts.push(part);
    return part;
  }

  /** Updates the buckets, and settles the checks of the requests that sent it or wait for it. */
  answered(replies: readonly BucketReply[]): void {
    this.#status = "answered";
    const nowMs = this.#limiter.now();
    this.#limiter.observeTrip(Math.min(nowMs - this.sentAtMs, this.timeoutMs));
    const isRejected = replies.some(({ waitMs }, i) => waitMs > 0 && !this.#parts[i]?.ask.isDryRun);
    for (const [index, part] of this.#parts.entries()) {
      const reply = replies[index];
      if (reply === undefined) continue;
      part.check.state.answered(part, reply, isRejected, nowMs);
      if (part.ask.need > 0) part.check.settle("store", reply.waitMs);
    }
  }

  /** The store did not answer in time, or was not called. */
  failed(): void {
    if (this.#status === "pending") this.#status = "failed";
    const nowMs = this.#limiter.now();
    for (const part of this.#parts) part.check.state.failed(part, nowMs);
  }

  /** Ends the wait for it. */
  lose(): void {
    if (this.#status === "pending") this.#status = "lost";
  }
}
