/**
 * The share of one bucket in a round trip to the store. If it brings more tokens than its own request needs, other
 * requests can claim them and wait. It is plain data, because on Workers requests must not await each other's promises;
 * if its request dies, it ends by timeout or when a waiting request declares it lost.
 */
import type { LimitCheck } from "./limit-check.ts";
import type { BucketAsk } from "./limit-store.ts";

export interface PendingRefillPlan {
  readonly check: LimitCheck;
  readonly ask: BucketAsk;
  /** Tokens for the request that sends it: the need, or 0 in a prefetch. */
  readonly own: number;
  readonly sentAtMs: number;
  readonly untilMs: number;
  /** All buckets whose shortage rejects the refill as a whole. */
  readonly required: readonly string[];
}

export class PendingRefill {
  readonly plan: PendingRefillPlan;
  /** Tokens expected beyond the request's own. */
  readonly extra: number;
  /** It may bring far fewer tokens than wanted: a waiting request may end up rejected. */
  readonly isScarce: boolean;
  #state: "pending" | "answered" | "failed" | "lost" = "pending";
  #claimable: number;
  #claimed = 0;
  /** Claimed tokens that have arrived. */
  #reserved = 0;
  #reservedUntilMs = 0;

  /** @param claimable tokens that other requests may claim */
  constructor(plan: PendingRefillPlan, claimable: number, isScarce: boolean) {
    this.plan = plan;
    this.extra = Math.max(0, plan.ask.want - plan.own);
    this.isScarce = isScarce && this.extra > 0;
    this.#claimable = claimable;
  }

  isPending(nowMs: number): boolean {
    return this.#state === "pending" && nowMs < this.plan.untilMs;
  }

  /** Whether it ended without evidence that the store is down. */
  get isOver(): boolean {
    return this.#state === "answered" || this.#state === "lost";
  }

  /** Expected tokens that are not claimed. */
  unclaimed(nowMs: number): number {
    return this.isPending(nowMs) ? this.extra - this.#claimed : 0;
  }

  /** A request must need all required buckets itself: otherwise a foreign limit could reject its refill. */
  canClaim(tokens: number, buckets: readonly string[], nowMs: number): boolean {
    return (
      this.isPending(nowMs) &&
      this.#claimable >= tokens &&
      this.plan.required.every((bucket) => buckets.includes(bucket))
    );
  }

  claim(tokens: number): void {
    this.#claimable -= tokens;
    this.#claimed += tokens;
  }

  /** Ends the wait and drops all claims; tokens that still arrive are free for all. */
  lose(): void {
    if (this.#state !== "pending") return;
    this.#state = "lost";
    this.#claimed = 0;
  }

  /** @returns the arrived tokens that are not claimed */
  answered(tokens: number, tokensUntilMs: number): number {
    this.#state = "answered";
    this.#reserved = Math.min(tokens, this.#claimed);
    this.#reservedUntilMs = tokensUntilMs;
    return tokens - this.#reserved;
  }

  failed(): void {
    if (this.#state === "pending") this.#state = "failed";
  }

  /** Hands over claimed tokens. @returns their expiry; undefined if too few have arrived */
  collect(tokens: number, nowMs: number): number | undefined {
    if (this.#reserved < tokens || nowMs >= this.#reservedUntilMs) return undefined;
    this.#reserved -= tokens;
    return this.#reservedUntilMs;
  }
}
