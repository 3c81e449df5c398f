/** What an isolate remembers of one bucket: leased tokens, recent usage, and how many tokens to take in advance. */
import type { BucketAsk, BucketReply } from "./limit-store.ts";
import type { Limiter } from "./limiter.ts";
import { BucketRefill, type Refill } from "./refill.ts";
import type { LimitCheck } from "./request-check.ts";
import { type BucketLevel, type BucketRule, inAdvance, waitMs } from "./token-bucket.ts";

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
/** The part of a lease within which its tokens should be used up. */
const USABLE_LEASE = 0.9;
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

/** The store had too few tokens: until it may have them, requests are rejected without a round trip. */
interface Denial {
  /** Applies to requests for at least this many tokens. */
  readonly tokens: number;
  readonly untilMs: number;
  /** The store is called again from then on: an override may have changed the rule. */
  readonly recheckAtMs: number;
  readonly rule: BucketRule;
}

export class BucketState {
  readonly lease = new Lease();
  readonly usage: UsageEwma;
  /** The limiter's epoch that the lease belongs to. */
  readonly epoch: number;
  /** The isolate's own bucket, used while the store does not answer. */
  local: BucketLevel | undefined;
  readonly #limiter: Limiter;
  #pending: BucketRefill[] = [];
  #denial: Denial | undefined;
  #seen: Seen | undefined;
  /** No background refills before then: the bucket had fewer tokens than wanted, or the store did not answer. */
  #quietUntilMs = 0;

  constructor(limiter: Limiter, local: BucketLevel | undefined) {
    this.#limiter = limiter;
    this.epoch = limiter.epoch;
    this.local = local;
    this.usage = new UsageEwma(limiter.settings.leaseMs / 2);
  }

  /** The rule in the store's last reply; undefined before the first. */
  get rule(): BucketRule | undefined {
    return this.#seen?.rule;
  }

  /** Tokens left in the store and in the lease, by the isolate's estimate. */
  remaining(limit: BucketRule, nowMs: number): number {
    if (this.#seen === undefined) return limit.capacity;
    return Math.min(this.#seen.rule.capacity, this.#available(this.#seen, nowMs) + this.lease.tokens(nowMs));
  }

  /** Milliseconds for which a denial applies to a request for that many tokens; 0 if none does. */
  deniedForMs(tokens: number, nowMs: number): number {
    const denial = this.#denial;
    if (denial === undefined || tokens < denial.tokens) return 0;
    if (nowMs >= Math.min(denial.untilMs, denial.recheckAtMs)) return 0;
    return denial.untilMs - nowMs + waitMs(denial.tokens, tokens, denial.rule);
  }

  /** A pending refill from which a request for these buckets can claim tokens. */
  findPending(tokens: number, buckets: readonly string[], nowMs: number): BucketRefill | undefined {
    return this.#pending.find((part) => part.canClaim(tokens, buckets, nowMs));
  }

  /** Tokens to take: the recent usage of half a lease, or of some round trips, less those in stock or on their way. */
  wanted(nowMs: number): number {
    if (this.#stillPending(nowMs).length >= MAX_PENDING) return 0;
    const recent = this.usage.at(nowMs);
    const target = Math.max(recent, Math.min(2 * this.#lowMark(nowMs), 2 * recent * USABLE_LEASE));
    const first = this.#seen === undefined && this.#pending.length === 0 ? FIRST_LEASE : 0;
    return Math.ceil(Math.max(first, target - this.#inStock(nowMs)));
  }

  /**
   * Share of the bucket that the isolate may take in advance. It is small, to leave tokens for other isolates, unless the
   * isolate uses the key often enough to waste few: then it is the isolate's share of the refill.
   */
  share(limit: BucketRule, nowMs: number): number {
    if (this.usage.at(nowMs) < FREQUENT) return MIN_SHARE;
    const { refillPerSecond } = this.rule ?? limit;
    return Math.min(1, Math.max(MIN_SHARE, (this.usage.perMs(nowMs) * 1000) / refillPerSecond));
  }

  /** Whether a refill is due in the background, before the lease runs out. */
  isLow(nowMs: number): boolean {
    // A single request does not predict another.
    if (nowMs < this.#quietUntilMs || this.usage.at(nowMs) < FIRST_LEASE * 0.9) return false;
    const isLow = this.#inStock(nowMs) < this.#lowMark(nowMs);
    return isLow && (this.#seen === undefined || this.#grantable(this.#seen, nowMs) > 0);
  }

  expect(refill: Refill, check: LimitCheck, ask: BucketAsk): BucketRefill {
    const isScarce = this.#isScarce(ask.want, refill.sentAtMs);
    const spare = isScarce ? ask.want - ask.need : this.#certain(ask, refill.sentAtMs);
    const part = new BucketRefill(refill, check, ask, spare, isScarce);
    if (part.extra > 0) this.#stillPending(refill.sentAtMs).push(part);
    return part;
  }

  /** @param isRejected some required bucket had too few tokens, so none was taken anywhere */
  answered(part: BucketRefill, reply: BucketReply, isRejected: boolean, nowMs: number): void {
    const { available, rule, granted } = reply;
    const { check, ask, refill } = part;
    const { leaseMs } = this.#limiter.settings;
    const isShort = granted < ask.want;
    const last = this.#seen?.rule;
    // Another rule may grant what the last one denied.
    if (last?.capacity !== rule.capacity || last.refillPerSecond !== rule.refillPerSecond)
      this.#denial = undefined;
    this.#seen = { available, rule, isShort, atMs: nowMs };
    const lackMs = waitMs(available, check.cost, rule);
    if (lackMs > 0 || (isShort && part.isScarce)) this.#deny(check, rule, lackMs, nowMs);
    this.#remove(part);
    const arrived = granted - (isRejected || reply.waitMs > 0 ? 0 : ask.need);
    const untilMs = refill.sentAtMs + leaseMs;
    this.lease.add(part.distribute(arrived, untilMs, PACE_MS), untilMs);
    if (isShort) this.#quietUntilMs = nowMs + PACE_MS;
  }

  failed(part: BucketRefill, nowMs: number): void {
    this.#remove(part);
    this.#quietUntilMs = nowMs + PACE_MS;
  }

  #deny({ limit, cost }: LimitCheck, rule: BucketRule, lackMs: number, nowMs: number): void {
    const { leaseMs } = this.#limiter.settings;
    // A client that was given a time to retry must not be denied then.
    const isPromised = this.#denial !== undefined && this.#denial.untilMs > nowMs;
    const leastMs = isPromised || limit.strict === true ? 0 : PACE_MS;
    const untilMs = nowMs + Math.max(lackMs, leastMs);
    this.#denial = { tokens: cost, untilMs, recheckAtMs: nowMs + leaseMs, rule };
  }

  #remove(part: BucketRefill): void {
    this.#pending = this.#pending.filter((each) => each !== part);
  }

  #stillPending(nowMs: number): BucketRefill[] {
    if (this.#pending.some(({ refill }) => !refill.isPending(nowMs)))
      this.#pending = this.#pending.filter(({ refill }) => refill.isPending(nowMs));
    return this.#pending;
  }

  /**
   * Whether the bucket has fewer tokens than wanted, or had a moment ago, on a key with many requests: most of them will be
   * rejected anyway.
   */
  #isScarce(want: number, nowMs: number): boolean {
    if (this.#seen === undefined || this.usage.at(nowMs) < FREQUENT) return false;
    const wasShort = this.#seen.isShort && nowMs - this.#seen.atMs < this.#limiter.settings.leaseMs / 4;
    return wasShort || this.#available(this.#seen, nowMs) < want;
  }

  /** Tokens beyond the need that a refill brings for sure: a request that waits in vain may be rejected wrongly. */
  #certain({ rule, need, want }: BucketAsk, nowMs: number): number {
    const { deadlineMs, leaseMs } = this.#limiter.settings;
    const isKnown = this.#seen !== undefined && nowMs - this.#seen.atMs < leaseMs / 2;
    const canAskTwice = this.#limiter.tripMs * TWO_TRIPS < deadlineMs + GRACE_MS;
    if (!isKnown && !canAskTwice) return 0;
    const seen = this.#seen ?? { available: rule.capacity, rule, isShort: false, atMs: nowMs };
    return Math.max(0, Math.min(want, this.#grantable(seen, nowMs)) - need);
  }

  #available({ available, rule, atMs }: Seen, nowMs: number): number {
    return Math.min(rule.capacity, available + ((nowMs - atMs) * rule.refillPerSecond) / 1000);
  }

  /** Tokens that the store grants in advance, if no other isolate has taken any since. */
  #grantable(seen: Seen, nowMs: number): number {
    return inAdvance(this.#available(seen, nowMs), seen.rule, this.share(seen.rule, nowMs));
  }

  /** Tokens on their way, and those still valid after the next round trip. */
  #inStock(nowMs: number): number {
    let sum = this.lease.tokens(nowMs, 2 * this.#limiter.tripMs);
    for (const part of this.#pending) sum += part.unclaimed(nowMs);
    return sum;
  }

  /** With fewer tokens the lease may run out before a refill arrives. */
  #lowMark(nowMs: number): number {
    const duringTrip = this.usage.perMs(nowMs) * Math.max(this.#limiter.tripMs, MIN_TRIP_MS);
    return TRIPS_AHEAD * duringTrip + Math.sqrt(duringTrip) + 1;
  }
}

interface Chunk {
  tokens: number;
  readonly untilMs: number;
}

/** Beyond this many, the two oldest chunks merge and expire with the older one: early, never late. */
const MAX_CHUNKS = 4;

/** Tokens that the isolate took from the store and has not used. They expire, and are never given back. */
export class Lease {
  /** By expiry, the earliest first. */
  readonly #chunks: Chunk[] = [];

  add(tokens: number, untilMs: number): void {
    if (tokens <= 0) return;
    const later = this.#chunks.findIndex((chunk) => chunk.untilMs > untilMs);
    this.#chunks.splice(later < 0 ? this.#chunks.length : later, 0, { tokens, untilMs });
    const [first, second] = this.#chunks;
    if (this.#chunks.length <= MAX_CHUNKS || first === undefined || second === undefined) return;
    this.#chunks.splice(0, 2, { tokens: first.tokens + second.tokens, untilMs: first.untilMs });
  }

  /** @param beyondMs counts only tokens that are valid for longer than this */
  tokens(nowMs: number, beyondMs = 0): number {
    this.#dropExpired(nowMs);
    let sum = 0;
    for (const { tokens, untilMs } of this.#chunks) if (untilMs > nowMs + beyondMs) sum += tokens;
    return sum;
  }

  /** @returns the earliest expiry of the tokens used; undefined if there were too few, and then none is used */
  use(tokens: number, nowMs: number): number | undefined {
    if (this.tokens(nowMs) < tokens) return undefined;
    const untilMs = this.#chunks[0]?.untilMs ?? nowMs;
    let rest = tokens;
    for (const chunk of this.#chunks) {
      const used = Math.min(rest, chunk.tokens);
      chunk.tokens -= used;
      rest -= used;
    }
    return untilMs;
  }

  #dropExpired(nowMs: number): void {
    for (let [first] = this.#chunks; first !== undefined; [first] = this.#chunks) {
      if (first.tokens > 0 && first.untilMs > nowMs) return;
      this.#chunks.shift();
    }
  }
}

export class UsageEwma {
  readonly #constantMs: number;
  #sum = 0;
  #atMs = Number.NEGATIVE_INFINITY;

  constructor(constantMs: number) {
    this.#constantMs = constantMs;
  }

  add(tokens: number, nowMs: number): void {
    this.#sum = this.at(nowMs) + tokens;
    this.#atMs = Math.max(this.#atMs, nowMs);
  }

  /** Tokens per time constant. */
  at(nowMs: number): number {
    const sinceMs = nowMs - this.#atMs;
    return sinceMs > 0 ? this.#sum * Math.exp(-sinceMs / this.#constantMs) : this.#sum;
  }

  perMs(nowMs: number): number {
    return this.at(nowMs) / this.#constantMs;
  }
}
