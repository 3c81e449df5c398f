/** One limit of one request, and its decision so far. */
import { costOf, type Limit } from "../../contract/policy.ts";
import type { BucketState } from "./bucket-state.ts";
import type { LimitKey } from "./limit-key.ts";
import { type BucketRule, levelAt, waitMs } from "./token-bucket.ts";
import type { LimitMode, LimitResult } from "./verdict.ts";

export class LimitCheck {
  readonly limit: Limit;
  readonly key: LimitKey;
  readonly state: BucketState;
  readonly cost: number;
  outcome: LimitResult["outcome"] = "passed";
  #mode: LimitMode | undefined;
  #waitMs = 0;
  /** Expiry of the leased tokens that the request has taken; undefined if it has none. */
  #leaseUntilMs: number | undefined;

  constructor(limit: Limit, key: LimitKey, state: BucketState) {
    this.limit = limit;
    this.key = key;
    this.state = state;
    this.cost = costOf(limit);
  }

  get isSettled(): boolean {
    return this.#mode !== undefined;
  }

  /** Whether the decision used nothing beyond the isolate's memory. */
  get isFromMemory(): boolean {
    return this.#mode === "lease" || this.#mode === "remembered";
  }

  /** Whether a background refill is due. */
  isLow(nowMs: number): boolean {
    return this.limit.strict !== true && this.state.isLow(nowMs);
  }

  /** Whether the request would need a round trip: no tokens, none on their way, and no denial. */
  isMissing(buckets: readonly string[], nowMs: number): boolean {
    const { limit, state, cost } = this;
    if (limit.strict === true || state.deniedForMs(cost, nowMs) > 0) return false;
    return state.lease.tokens(nowMs) < cost && state.findPending(cost, buckets, nowMs) === undefined;
  }

  /** Settles the check if the isolate has a lease or a denial. */
  settleFromMemory(nowMs: number): void {
    if (this.isSettled) return;
    this.hold(this.state.lease.use(this.cost, nowMs));
    if (this.isSettled) return;
    const leftMs = this.state.deniedForMs(this.cost, nowMs);
    if (leftMs > 0) this.settle("remembered", leftMs);
  }

  /** Settles the check by the limit's `onStoreFailure`. */
  settleWithoutStore(nowMs: number): void {
    if (this.isSettled) return;
    const mode = this.limit.dryRun === true ? "open" : this.limit.onStoreFailure;
    this.settle(mode, mode === "local" ? waitMs(this.#localTokens(nowMs), this.cost, this.#rule) : 0);
  }

  /** @param untilMs expiry of leased tokens that the request has taken; undefined if it could not take them */
  hold(untilMs: number | undefined): void {
    if (untilMs === undefined) return;
    this.#leaseUntilMs = untilMs;
    this.settle("lease", 0);
  }

  /** @param lackMs until there are enough tokens; 0 if there are */
  settle(mode: LimitMode, lackMs: number): void {
    this.#mode = mode;
    this.#waitMs = lackMs;
    if (mode === "closed") this.outcome = "unavailable";
    else this.outcome = lackMs > 0 ? "limited" : "passed";
  }

  /** Returns leased tokens that may expire before then, and reopens the check. */
  giveUpBefore(latestMs: number): void {
    if (this.#leaseUntilMs === undefined || this.#leaseUntilMs > latestMs) return;
    this.release();
    this.#mode = undefined;
  }

  /** The request is admitted: takes its tokens from the isolate's own bucket if that decided. */
  commit(nowMs: number): void {
    if (this.#mode !== "local") return;
    this.state.local = { level: levelAt(this.state.local, this.#rule, nowMs) + this.cost, atMs: nowMs };
  }

  /** Returns the leased tokens: a rejected request uses none. */
  release(): void {
    if (this.#leaseUntilMs !== undefined) this.state.lease.add(this.cost, this.#leaseUntilMs);
    this.#leaseUntilMs = undefined;
  }

  /** If the check is not settled, another limit has rejected the request. */
  result(nowMs: number): LimitResult {
    return {
      limit: this.limit,
      mode: this.#mode ?? "lease",
      outcome: this.outcome,
      rule: this.#rule,
      remaining: this.#mode === "local" ? this.#localTokens(nowMs) : this.state.remaining(this.limit, nowMs),
      waitMs: this.#waitMs,
    };
  }

  get #rule(): BucketRule {
    return this.state.rule ?? this.limit;
  }

  #localTokens(nowMs: number): number {
    return this.#rule.capacity - levelAt(this.state.local, this.#rule, nowMs);
  }
}
