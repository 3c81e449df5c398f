/** An isolate's memory of one bucket: leased tokens, recent usage, and how many tokens to take in advance. */
import type { Limit } from "../../contract/policy.ts";
import type { LimitCheck } from "./limit-check.ts";
import type { BucketAsk, BucketReply } from "./limit-store.ts";
import type { Limiter } from "./limiter.ts";
import { BucketRefill, type Refill } from "./refill.ts";
import { StrictQueue } from "./strict-queue.ts";
import { type BucketLevel, type BucketRule, inAdvance, Lease, levelAt, waitMs } from "./token-bucket.ts";

/** With more refills pending, a request takes its own tokens only. Each may bring twice as many as the one before. */
const MAX_PENDING = 16;
/** A new key takes one extra token: a second request often follows soon. */
const FIRST_LEASE = 2;
/** Even the shortest round trip can be delayed by this, milliseconds. */
const MIN_TRIP_MS = 10;
/** A refill is due when the tokens last for fewer round trips than this. */
const TRIPS_AHEAD = 3;
/** Two successive round trips take this many times as long as one. */
const TWO_TRIPS = 2.25;
/** Least share of a bucket that an isolate may take in advance, whatever its share of the traffic. */
const MIN_SHARE = 1 / 8;
/** Extra time for a request that waited in vain for another one's round trip, milliseconds. */
export const GRACE_MS = 30;
/** Shortest time between round trips for a limit that is used up, unless it is strict, milliseconds. */
const PACE_MS = 50;
/** Tokens of recent usage above which chance hardly matters. */
const FREQUENT = 8;

/** The store's last reply. */
interface Seen {
  readonly available: number;
  readonly rule: BucketRule;
  /** It granted fewer tokens than wanted. */
  readonly isShort: boolean;
  readonly atMs: number;
}

export class BucketState {
  readonly lease = new Lease();
  /** The limiter's epoch that the lease belongs to. */
  readonly epoch: number;
  /** The isolate's own bucket, used while the store does not answer. */
  local: BucketLevel | undefined;
  /** Tokens of a strict limit that the isolate has admitted by itself, and the store does not know of. */
  #owed = 0;
  #queue: StrictQueue | undefined;
  readonly #limiter: Limiter;
  /** Time constant of the usage: half a lease, milliseconds. */
  readonly #constantMs: number;
  #pending: BucketRefill[] = [];
  #seen: Seen | undefined;
  /** The store had too few: until then, requests for at least as many tokens are rejected without a round trip. */
  #denial: { readonly tokens: number; readonly untilMs: number } | undefined;
  /** No background refills before then: the bucket had fewer tokens than wanted, or the store did not answer. */
  #quietUntilMs = 0;
  /** Tokens needed recently, decaying exponentially. */
  #usage = 0;
  #usageAtMs = Number.NEGATIVE_INFINITY;

  constructor(limiter: Limiter, local: BucketLevel | undefined) {
    this.#limiter = limiter;
    this.#constantMs = limiter.settings.leaseMs / 2;
    this.epoch = limiter.epoch;
    this.local = local;
  }

  /** The rule in the store's last reply; undefined before the first. */
  get rule(): BucketRule | undefined {
    return this.#seen?.rule;
  }

  /** The requests of a strict limit; other buckets have none. */
  get queue(): StrictQueue {
    this.#queue ??= new StrictQueue();
    return this.#queue;
  }

  /** Tokens in the isolate's own bucket: no more than the store has left, as far as the isolate knows. */
  localTokens(limit: BucketRule, nowMs: number): number {
    return Math.max(0, this.#unused(limit, nowMs) - (this.#queue?.tokensInFlight(nowMs) ?? 0));
  }

  takeLocally(limit: Limit, tokens: number, nowMs: number): void {
    const { capacity } = this.rule ?? limit;
    this.local = { level: capacity - this.#unused(limit, nowMs) + tokens, atMs: nowMs };
    if (limit.strict === true) this.#owed += tokens;
  }

  /** What the isolate has admitted by itself and has not been refilled since: the next round trip takes it, too. */
  owed(limit: BucketRule, nowMs: number): number {
    if (this.#owed > 0)
      this.#owed = Math.min(this.#owed, Math.floor(levelAt(this.local, this.rule ?? limit, nowMs)));
    return this.#owed;
  }

  /** Counts the tokens that a request needs. */
  countUsage(tokens: number, nowMs: number): void {
    this.#usage = this.#recent(nowMs) + tokens;
    this.#usageAtMs = Math.max(this.#usageAtMs, nowMs);
  }

  /** Tokens left in the store and in the lease, by the isolate's estimate. */
  remaining(limit: BucketRule, nowMs: number): number {
    if (this.#seen === undefined) return limit.capacity;
    return Math.min(this.#seen.rule.capacity, availableAt(this.#seen, nowMs) + this.lease.tokens(nowMs));
  }

  /** Milliseconds for which a denial applies to a request for that many tokens; 0 if none does. */
  deniedForMs(tokens: number, nowMs: number): number {
    const [denial, seen] = [this.#denial, this.#seen];
    if (denial === undefined || seen === undefined || tokens < denial.tokens) return 0;
    // After a lease the store is called again: an override may have changed the rule.
    if (nowMs >= Math.min(denial.untilMs, seen.atMs + this.#limiter.settings.leaseMs)) return 0;
    return denial.untilMs - nowMs + waitMs(denial.tokens, tokens, seen.rule);
  }

  /** A pending refill from which a request for these buckets can claim tokens. */
  findPending(tokens: number, buckets: readonly string[], nowMs: number): BucketRefill | undefined {
    return this.#pending.find((part) => part.canClaim(tokens, buckets, nowMs));
  }

  /** Tokens to take: the recent usage of half a lease, or of some round trips, less those in stock or on their way. */
  wanted(nowMs: number): number {
    this.#pending = this.#pending.filter(({ refill }) => refill.isPending(nowMs));
    if (this.#pending.length >= MAX_PENDING) return 0;
    const recent = this.#recent(nowMs);
    const target = Math.max(recent, Math.min(2 * this.#lowMark(nowMs), 2 * recent));
    const first = this.#seen === undefined && this.#pending.length === 0 ? FIRST_LEASE : 0;
    return Math.ceil(Math.max(first, target - this.#inStock(nowMs)));
  }

  /**
   * Share of the bucket that the isolate may take in advance. It is small, to leave tokens for other isolates, unless the
   * isolate uses the key often enough to waste few: then it is the isolate's share of the refill.
   */
  share(limit: BucketRule, nowMs: number): number {
    if (this.#recent(nowMs) < FREQUENT) return MIN_SHARE;
    const { refillPerSecond } = this.rule ?? limit;
    return Math.min(1, Math.max(MIN_SHARE, (this.#perMs(nowMs) * 1000) / refillPerSecond));
  }

  /** Whether a refill is due in the background, before the lease runs out. A single request does not predict another. */
  isLow(nowMs: number): boolean {
    const isUsed = nowMs >= this.#quietUntilMs && this.#recent(nowMs) >= FIRST_LEASE * 0.9;
    return isUsed && this.#inStock(nowMs) < this.#lowMark(nowMs);
  }

  expect(refill: Refill, check: LimitCheck, ask: BucketAsk): BucketRefill {
    const isScarce = this.#isScarce(ask.want, refill.sentAtMs);
    const spare = isScarce ? ask.want - ask.need : this.#certain(ask, refill.sentAtMs);
    const part = new BucketRefill(refill, check, ask, spare, isScarce);
    if (part.extra > 0 && check.limit.strict !== true) this.#pending.push(part);
    return part;
  }

  /** @param isRejected some required bucket had too few tokens, so none was taken anywhere */
  answered(part: BucketRefill, reply: BucketReply, isRejected: boolean, nowMs: number): void {
    const { available, rule, granted } = reply;
    const { check, ask, refill } = part;
    const isShort = granted < ask.want;
    const last = this.#seen;
    const isRule =
      last?.rule.capacity === rule.capacity && last.rule.refillPerSecond === rule.refillPerSecond;
    // Another rule may grant what the last one denied.
    if (!isRule) this.#denial = undefined;
    // Of two round trips under way together, the first reply may have been the store's last.
    const isOverlap = isRule && refill.sentAtMs < last.atMs;
    const left = isOverlap ? Math.min(available, availableAt(last, nowMs)) : available;
    this.#seen = { available: left, rule, isShort, atMs: nowMs };
    const lackMs = Math.max(waitMs(available, check.cost, rule), ask.need > 0 ? reply.waitMs : 0);
    if (lackMs > 0 || (isShort && part.isScarce)) this.#deny(check, lackMs, nowMs);
    this.#remove(part);
    const arrived = granted - (isRejected || reply.waitMs > 0 ? 0 : ask.need);
    if (check.limit.strict === true) {
      if (granted > 0) this.#owed = Math.max(0, this.#owed - (ask.need - check.cost));
      part.settleWaiting(arrived, reply);
      return;
    }
    const untilMs = refill.sentAtMs + this.#limiter.settings.leaseMs;
    this.lease.add(part.distribute(arrived, untilMs, PACE_MS), untilMs);
    if (isShort) this.#quietUntilMs = nowMs + PACE_MS;
  }

  failed(part: BucketRefill, nowMs: number): void {
    this.#remove(part);
    this.#quietUntilMs = nowMs + PACE_MS;
  }

  #deny({ limit, cost }: LimitCheck, lackMs: number, nowMs: number): void {
    // A client that was given a time to retry must not be denied then.
    const isPromised = this.#denial !== undefined && this.#denial.untilMs > nowMs;
    const leastMs = isPromised || limit.strict === true ? 0 : PACE_MS;
    this.#denial = { tokens: cost, untilMs: nowMs + Math.max(lackMs, leastMs) };
  }

  /** Tokens that neither the isolate nor the store has used, by its last reply. */
  #unused(limit: BucketRule, nowMs: number): number {
    const rule = this.rule ?? limit;
    const own = rule.capacity - levelAt(this.local, rule, nowMs);
    return this.#seen === undefined ? own : Math.min(own, availableAt(this.#seen, nowMs));
  }

  #remove(part: BucketRefill): void {
    this.#pending = this.#pending.filter((each) => each !== part);
  }

  /**
   * Whether the bucket has fewer tokens than wanted, or had a moment ago, on a key with many requests: most of them will be
   * rejected anyway.
   */
  #isScarce(want: number, nowMs: number): boolean {
    if (this.#seen === undefined || this.#recent(nowMs) < FREQUENT) return false;
    const wasShort = this.#seen.isShort && nowMs - this.#seen.atMs < this.#limiter.settings.leaseMs / 4;
    return wasShort || availableAt(this.#seen, nowMs) < want;
  }

  /** Tokens beyond the need that a refill brings for sure: a request that waits in vain may be rejected wrongly. */
  #certain({ rule, need, want }: BucketAsk, nowMs: number): number {
    const { deadlineMs, leaseMs } = this.#limiter.settings;
    const isKnown = this.#seen !== undefined && nowMs - this.#seen.atMs < leaseMs / 2;
    const canAskTwice = this.#limiter.tripMs * TWO_TRIPS < deadlineMs + GRACE_MS;
    if (!isKnown && !canAskTwice) return 0;
    const seen = this.#seen ?? { available: rule.capacity, rule, atMs: nowMs };
    // As the store grants it, if no other isolate has taken any since.
    const granted = inAdvance(availableAt(seen, nowMs), seen.rule, this.share(seen.rule, nowMs));
    return Math.max(0, Math.min(want, granted) - need);
  }

  /** Tokens on their way, and those still valid after the next round trip. */
  #inStock(nowMs: number): number {
    let sum = this.lease.tokens(nowMs, 2 * this.#limiter.tripMs);
    for (const part of this.#pending) sum += part.unclaimed(nowMs);
    return sum;
  }

  /** With fewer tokens the lease may run out before a refill arrives. */
  #lowMark(nowMs: number): number {
    const duringTrip = this.#perMs(nowMs) * Math.max(this.#limiter.tripMs, MIN_TRIP_MS);
    return TRIPS_AHEAD * duringTrip + Math.sqrt(duringTrip) + 1;
  }

  /** Tokens per time constant. */
  #recent(nowMs: number): number {
    const sinceMs = nowMs - this.#usageAtMs;
    return sinceMs > 0 ? this.#usage * Math.exp(-sinceMs / this.#constantMs) : this.#usage;
  }

  #perMs(nowMs: number): number {
    return this.#recent(nowMs) / this.#constantMs;
  }
}

const availableAt = ({ available, rule, atMs }: Omit<Seen, "isShort">, nowMs: number): number =>
  Math.min(rule.capacity, available + ((nowMs - atMs) * rule.refillPerSecond) / 1000);
