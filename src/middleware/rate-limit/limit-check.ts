/** One limit of one request, and how it decides. */
import { costOf, type Limit } from "../../contract/policy.ts";
import type { BucketState } from "./bucket-state.ts";
import type { LimitKey } from "./limit-store.ts";
import type { Refill } from "./refill.ts";
import { type BucketRule, waitMs } from "./token-bucket.ts";

export type LimitMode =
  /** Tokens that the isolate had. */
  | "lease"
  /** The store, called for this request. */
  | "store"
  /** An earlier denial by the store that has not expired. */
  | "remembered"
  /** The isolate's own bucket: the store does not answer. */
  | "local"
  /** The store does not answer, and this limit then admits everything. */
  | "open"
  /** The store does not answer, and this limit then admits nothing. */
  | "closed";

export interface LimitResult {
  readonly limit: Limit;
  readonly mode: LimitMode;
  /** `limited`: too few tokens. `unavailable`: the limit cannot be checked. */
  readonly outcome: "passed" | "limited" | "unavailable";
  /** The rule in force, which may be an override. */
  readonly rule: BucketRule;
  /** Tokens left, by the isolate's estimate. */
  readonly remaining: number;
  /** Milliseconds until there are enough tokens; 0 if there are. */
  readonly waitMs: number;
}

export interface LimitVerdict {
  readonly isAdmitted: boolean;
  /** In the order of the route's limits. */
  readonly results: readonly LimitResult[];
}

/** Whether the limit rejects the request; in a dry run it never does. */
export const rejects = ({ outcome, limit }: Pick<LimitResult, "outcome" | "limit">): boolean =>
  outcome !== "passed" && limit.dryRun !== true;

export class LimitCheck {
  readonly limit: Limit;
  readonly key: LimitKey;
  readonly state: BucketState;
  readonly cost: number;
  outcome: LimitResult["outcome"] = "passed";
  /** Another request's round trip that asks for this check, too. */
  joined: Refill | undefined;
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

  isLow(nowMs: number): boolean {
    return this.limit.strict !== true && this.state.isLow(nowMs);
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
    if (this.#mode === "local") this.state.takeLocally(this.limit, this.cost, nowMs);
  }

  /** Returns the leased tokens: a rejected request uses none. */
  release(): void {
    if (this.#leaseUntilMs !== undefined) this.state.lease.add(this.cost, this.#leaseUntilMs);
    this.#leaseUntilMs = undefined;
  }

  /** If the check is not settled, another limit has rejected the request. */
  result(nowMs: number): LimitResult {
    const known = this.#mode === "local" ? this.#localTokens(nowMs) : this.state.remaining(this.limit, nowMs);
    // The isolate's estimate grows with time; a limit that rejects has too few tokens until the wait is over.
    const lack = (this.#waitMs / 1000) * this.#rule.refillPerSecond;
    return {
      limit: this.limit,
      mode: this.#mode ?? "lease",
      outcome: this.outcome,
      rule: this.#rule,
      remaining: this.outcome === "limited" ? Math.max(0, Math.min(known, this.cost - lack)) : known,
      waitMs: this.#waitMs,
    };
  }

  get #rule(): BucketRule {
    return this.state.rule ?? this.limit;
  }

  #localTokens(nowMs: number): number {
    return this.state.localTokens(this.limit, nowMs);
  }
}
