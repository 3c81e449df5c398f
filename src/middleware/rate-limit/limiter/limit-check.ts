/** One limit of a request, and what has become of it so far. */
import { costOf, type Limit } from "../../../contract/policy.ts";
import { waitMs } from "./bucket.ts";
import type { KeyState } from "./bucket-state.ts";
import type { LimitKey } from "./limit-key.ts";
import type { LocalBucket } from "./local-bucket.ts";
import type { Flight } from "./pending-refill.ts";
import type { BucketReply } from "./store.ts";
import type { LimitMode, LimitResult } from "./verdict.ts";

type Outcome = LimitResult["outcome"];

export class Demanded {
  readonly limit: Limit;
  readonly key: LimitKey;
  readonly state: KeyState;
  readonly #localBucket: (bucket: string) => LocalBucket;
  #mode: LimitMode | undefined;
  #outcome: Outcome = "passed";
  #waitMs = 0;
  /** Until when the tokens that it holds can be used by another one; undefined where it holds none of the isolate's. */
  #heldUntilMs: number | undefined;
  #heldEra = 0;

  constructor(limit: Limit, key: LimitKey, state: KeyState, localBucket: (bucket: string) => LocalBucket) {
    this.limit = limit;
    this.key = key;
    this.state = state;
    this.#localBucket = localBucket;
  }

  get cost(): number {
    return costOf(this.limit);
  }

  get isStrict(): boolean {
    return this.limit.strict === true;
  }

  get isSettled(): boolean {
    return this.#mode !== undefined;
  }

  /** Whether it refuses the request; in a dry run none does. */
  get isRefusing(): boolean {
    return this.isSettled && this.#outcome !== "passed" && this.limit.dryRun !== true;
  }

  /** Whether somebody else than the isolate has had to be asked. */
  get wasAsked(): boolean {
    return this.#mode !== undefined && this.#mode !== "lease" && this.#mode !== "remembered";
  }

  /** Whether there are no tokens for it here, nor on their way, and nothing says that there will be none. */
  isMissing(buckets: readonly string[], nowMs: number): boolean {
    const { state, cost, isStrict } = this;
    if (isStrict || state.refusedForMs(cost, nowMs) > 0) return false;
    return state.tokens(nowMs) < cost && state.findFlight(cost, buckets, nowMs) === undefined;
  }

  /** By tokens that the isolate has. */
  useLease(nowMs: number): void {
    if (this.isStrict) return;
    this.#hold(this.state.use(this.cost, nowMs));
  }

  /** By tokens that were waited for. */
  collect(flight: Flight, nowMs: number): void {
    if (flight.plan.era === this.state.era) this.#hold(flight.collect(this.cost, nowMs));
  }

  /** By what the store has said a moment ago. */
  recall(nowMs: number): void {
    const leftMs = this.state.refusedForMs(this.cost, nowMs);
    if (leftMs > 0) this.refuse("remembered", leftMs);
  }

  /** By what the store says. */
  hear(reply: BucketReply): void {
    if (reply.waitMs > 0) this.refuse("store", reply.waitMs);
    else this.#settle("store", "passed", 0);
  }

  refuse(mode: LimitMode, lackMs: number): void {
    this.#settle(mode, "limited", lackMs);
  }

  /** As the limit has it for when the store does not answer. */
  settleWithoutStore(nowMs: number): void {
    const mode = this.limit.dryRun === true ? "open" : this.limit.onStoreFailure;
    if (mode === "local") {
      const lackMs = waitMs(this.#bucket.available(this.#rule, nowMs), this.cost, this.#rule);
      this.#settle(mode, lackMs === 0 ? "passed" : "limited", lackMs);
    } else {
      this.#settle(mode, mode === "open" ? "passed" : "unavailable", 0);
    }
  }

  /** The request is admitted: what the isolate's own bucket has let pass is taken from it. */
  takeLocally(nowMs: number): void {
    if (this.#mode === "local") this.#bucket.take(this.cost, this.#rule, nowMs);
  }

  /** Tokens that may end before then are given up, and those of an earlier era; then it is open again. */
  giveUpWhatEnds(latestMs: number): void {
    if (this.#heldUntilMs === undefined) return;
    if (this.#heldUntilMs > latestMs && this.#heldEra === this.state.era) return;
    this.release();
    this.#mode = undefined;
  }

  /** What it holds goes back to what the isolate has. */
  release(): void {
    const isGood = this.#heldEra === this.state.era;
    if (this.#heldUntilMs !== undefined && isGood) this.state.restore(this.cost, this.#heldUntilMs);
    this.#heldUntilMs = undefined;
  }

  /** Where nobody has decided, something before it has refused. */
  result(nowMs: number): LimitResult {
    return {
      limit: this.limit,
      mode: this.#mode ?? "lease",
      outcome: this.#outcome,
      rule: this.#rule,
      remaining: this.#remaining(nowMs),
      waitMs: this.#waitMs,
    };
  }

  get #rule() {
    return this.state.rule ?? this.limit;
  }

  get #bucket(): LocalBucket {
    return this.#localBucket(this.key.bucket);
  }

  #remaining(nowMs: number): number {
    if (this.#mode === "local") return this.#bucket.available(this.#rule, nowMs);
    return this.state.rule === undefined ? this.limit.capacity : this.state.remaining(nowMs);
  }

  #hold(untilMs: number | undefined): void {
    if (untilMs === undefined) return;
    this.#heldUntilMs = untilMs;
    this.#heldEra = this.state.era;
    this.#settle("lease", "passed", 0);
  }

  #settle(mode: LimitMode, outcome: Outcome, lackMs: number): void {
    this.#mode = mode;
    this.#outcome = outcome;
    this.#waitMs = lackMs;
  }
}
