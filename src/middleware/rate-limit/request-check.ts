/**
 * Checks one request against its limits, as steps that the caller performs. It has no promise and no timer, so that the
 * same code runs on Workers, on Node, and on a simulated clock.
 */
import { costOf, type Limit } from "../../contract/policy.ts";
import { type BucketState, GRACE_MS } from "./bucket-state.ts";
import type { LimitedClient, LimitKey } from "./limit-store.ts";
import type { Limiter } from "./limiter.ts";
import { Refill } from "./refill.ts";
import { type BucketRule, levelAt, waitMs } from "./token-bucket.ts";

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

export type Step =
  | Decided
  /** Send it, report its end to it, then call `next`. */
  | { readonly kind: "refill"; readonly refill: Refill }
  /** Sleep, then call `next`. */
  | { readonly kind: "wait"; readonly ms: number };

export interface Decided {
  readonly kind: "decided";
  readonly verdict: LimitVerdict;
  /** To send in the background, for later requests. */
  readonly refresh: Refill | undefined;
}

/** Poll interval of a request that waits for another one's round trip, milliseconds. */
const POLL_MS = 4;
/** Factor by which a second round trip may be slower than the average. */
const PATIENCE = 1.25;
/** Round trips after which a pending refill is lost, or its request has died. */
const LOST_AFTER = 3;

export class RequestCheck {
  readonly #limiter: Limiter;
  readonly #limits: readonly Limit[];
  readonly #client: LimitedClient;
  readonly #startedAtMs: number;
  #epoch = 0;
  #checks: readonly LimitCheck[] = [];
  /** Refills of other requests that bring missing tokens. */
  #awaited: readonly Refill[] = [];
  #sent: Refill | undefined;
  #hasWaitedInVain = false;

  constructor(limiter: Limiter, limits: readonly Limit[], client: LimitedClient) {
    this.#limiter = limiter;
    this.#limits = limits;
    this.#client = client;
    this.#startedAtMs = limiter.now();
    this.#start(this.#startedAtMs);
  }

  next(): Step {
    const nowMs = this.#limiter.now();
    if (this.#sent !== undefined) return this.#isSettled() ? this.#decided(nowMs) : this.withoutStore();
    if (this.#epoch !== this.#limiter.epoch) this.#start(nowMs);
    return this.#awaited.length === 0 ? this.#decide(nowMs) : this.#wait(nowMs);
  }

  /** Decides although the store does not answer. */
  withoutStore(): Step {
    const nowMs = this.#limiter.now();
    for (const check of this.#checks) check.settleWithoutStore(nowMs);
    return this.#decided(nowMs);
  }

  /** Also after the clock was set back: tokens of an earlier epoch are void. */
  #start(nowMs: number): void {
    this.#checks = this.#limiter.checks(this.#limits, this.#client);
    this.#epoch = this.#limiter.epoch;
    this.#awaited = [];
    for (const { state, cost } of this.#checks) state.usage.add(cost, nowMs);
  }

  /** From memory if possible; else waits for a pending refill, or sends one. */
  #decide(nowMs: number): Step {
    for (const check of this.#checks) check.settleFromMemory(nowMs);
    if (this.#isRejected() || this.#isSettled()) return this.#decided(nowMs);
    // Leased tokens must outlast the wait.
    for (const check of this.#checks) check.giveUpBefore(nowMs + this.#timeLeftMs(nowMs));
    this.#awaited = this.#claim(nowMs);
    return this.#awaited.length === 0 ? this.#send(nowMs) : this.#wait(nowMs);
  }

  #wait(nowMs: number): Step {
    const leftMs = this.#timeLeftMs(nowMs);
    const { tripMs } = this.#limiter;
    // The first request to find a refill late declares it lost; all that wait then look for another.
    const lateMs = LOST_AFTER * tripMs + POLL_MS;
    if (leftMs > PATIENCE * tripMs)
      for (const refill of this.#awaited) if (nowMs - refill.sentAtMs > lateMs) refill.lose();
    if (leftMs > 0 && this.#awaited.some((refill) => refill.isPending(nowMs)))
      return { kind: "wait", ms: Math.min(POLL_MS, leftMs) };
    if (this.#awaited.some(({ isOver }) => !isOver)) return this.withoutStore();
    for (const check of this.#checks) check.giveUpBefore(nowMs);
    this.#hasWaitedInVain ||= !this.#isSettled();
    return this.#decide(nowMs);
  }

  /** Claims all missing tokens from pending refills, or none. */
  #claim(nowMs: number): readonly Refill[] {
    const buckets = this.#checks.map(({ key }) => key.bucket);
    const missing = this.#checks.filter(({ isSettled }) => !isSettled);
    const parts = missing.map(({ state, cost }) => state.findPending(cost, buckets, nowMs));
    if (parts.includes(undefined)) return [];
    for (const [index, check] of missing.entries()) parts[index]?.claim(check);
    return parts.flatMap((part) => part?.refill ?? []);
  }

  #send(nowMs: number): Step {
    const leftMs = this.#timeLeftMs(nowMs);
    if (leftMs <= 0) return this.withoutStore();
    const refill = new Refill(this.#limiter, nowMs, leftMs);
    for (const check of this.#checks) if (!check.isSettled) refill.add(check, check.cost);
    this.#addLow(refill, nowMs);
    this.#sent = refill;
    return { kind: "refill", refill };
  }

  /** The same round trip refills leases that run low. */
  #addLow(refill: Refill, nowMs: number): void {
    for (const check of this.#checks) if (check.isSettled && check.isLow(nowMs)) refill.add(check, 0);
  }

  #decided(nowMs: number): Decided {
    const isAdmitted = !this.#isRejected();
    for (const check of this.#checks)
      if (isAdmitted) check.commit(nowMs);
      else check.release();
    const results = this.#checks.map((check) => check.result(nowMs));
    return { kind: "decided", verdict: { isAdmitted, results }, refresh: this.#refresh(isAdmitted, nowMs) };
  }

  #refresh(isAdmitted: boolean, nowMs: number): Refill | undefined {
    if (!isAdmitted || !this.#checks.every(({ isFromMemory }) => isFromMemory)) return undefined;
    if (!this.#checks.some((check) => check.isLow(nowMs))) return undefined;
    const refill = new Refill(this.#limiter, nowMs, this.#limiter.settings.deadlineMs);
    this.#addLow(refill, nowMs);
    return refill;
  }

  #timeLeftMs(nowMs: number): number {
    const { deadlineMs } = this.#limiter.settings;
    return this.#startedAtMs + deadlineMs + (this.#hasWaitedInVain ? GRACE_MS : 0) - nowMs;
  }

  #isSettled(): boolean {
    return this.#checks.every(({ isSettled }) => isSettled);
  }

  #isRejected(): boolean {
    return this.#checks.some(rejects);
  }
}

/** One limit of one request, and its decision so far. */
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
