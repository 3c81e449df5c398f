/** What an isolate knows of one bucket. */
import { costOf, type Limit } from "../../../contract/policy.ts";
import { type BucketRule, inAdvance } from "./bucket.ts";
import { type Refusal, refusedForMs } from "./denial-cache.ts";
import { Lease } from "./lease.ts";
import type { LimiterSettings } from "./options.ts";
import { Flight, type FlightPlan } from "./pending-refill.ts";
import type { BucketReply } from "./store.ts";
import { Demand } from "./usage-ewma.ts";

/** With more under way at a time a request asks for itself alone. Each of them may bring twice as much as the last. */
const MAX_FLIGHTS = 16;
/** Nobody has been asked yet: the second request often comes soon after the first. */
const FIRST_LEASE = 2;
/** A shorter one may be held up as well, milliseconds. */
const LEAST_TRIP_MS = 10;
/** So many round trips' worth of tokens are to be there when the next ones are asked for. */
const TRIPS_AHEAD = 3;
/** Two round trips one after the other take so many times as long as one, or a little less. */
const TWO_TRIPS = 2.25;
/** A lease is to be used up well before its end. */
const MOST_OF_LEASE = 0.9;

/** Of what a bucket holds an isolate may take so much in advance, whatever its part of the requests is. */
const LEAST_SHARE = 1 / 8;
/** Tokens within half a lease, from which on chance hardly matters. */
const OFTEN = 8;

interface Seen {
  readonly available: number;
  readonly rule: BucketRule;
  /** Less was granted than was wanted. */
  readonly isShort: boolean;
  readonly atMs: number;
}

export class KeyState {
  readonly demand: Demand;
  readonly #settings: LimiterSettings;
  readonly #currentEra: () => number;
  #lease = new Lease();
  #era: number;
  #flights: Flight[] = [];
  #refusal: Refusal | undefined;
  #seen: Seen | undefined;
  #quietUntilMs = 0;

  /** @param currentEra in which one the isolate's clock is: what was taken in an earlier one is worth nothing */
  constructor(settings: LimiterSettings, currentEra: () => number) {
    this.#settings = settings;
    this.#currentEra = currentEra;
    this.#era = currentEra();
    this.demand = new Demand(settings.leaseMs / 2);
  }

  get era(): number {
    this.#enterEra();
    return this.#era;
  }

  /** The rule that the store has told; undefined before it has. */
  get rule(): BucketRule | undefined {
    return this.#seen?.rule;
  }

  /** What is left, as far as is known here. */
  remaining(nowMs: number): number {
    if (this.#seen === undefined) return 0;
    return Math.min(this.#seen.rule.capacity, this.#available(this.#seen, nowMs) + this.tokens(nowMs));
  }

  /** Tokens that are here. @param beyondMs counted is what is good for longer than this from now on */
  tokens(nowMs: number, beyondMs = 0): number {
    return this.#good.tokens(nowMs, beyondMs);
  }

  /** @returns until when what was used would have been good; undefined where there was not so much, and none was used */
  use(tokens: number, nowMs: number): number | undefined {
    return this.#good.use(tokens, nowMs);
  }

  /** What was used for a request that was refused is here again. */
  restore(tokens: number, untilMs: number): void {
    this.#good.add(tokens, untilMs);
  }

  /** In how many milliseconds there are as many, where the store has said that there are too few; 0 where it has not. */
  refusedForMs(tokens: number, nowMs: number): number {
    return this.#refusal === undefined ? 0 : refusedForMs(this.#refusal, tokens, nowMs);
  }

  /** A round trip that is to bring as many, for nobody yet, to whoever asks for these buckets. */
  findFlight(tokens: number, buckets: readonly string[], nowMs: number): Flight | undefined {
    this.#enterEra();
    return this.#flights.find((flight) => flight.canClaim(tokens, buckets, nowMs));
  }

  /**
   * How many are to be asked for in all: as much as was asked for within half a lease, or what comes during some round
   * trips, without what is there.
   */
  wanted(tripMs: number, nowMs: number): number {
    if (this.#underWay(nowMs).length >= MAX_FLIGHTS) return 0;
    const recent = this.demand.at(nowMs);
    const horizon = recent * 2 * MOST_OF_LEASE;
    const target = Math.max(recent, Math.min(2 * this.#lowMark(tripMs, nowMs), horizon));
    const first = this.#seen === undefined && this.#flights.length === 0 ? FIRST_LEASE : 0;
    return Math.ceil(Math.max(first, target - this.#atHand(tripMs, nowMs)));
  }

  /**
   * What part of the bucket it may take in advance: a little, so that something is left for other isolates when there is
   * little; but as large a part as it has of all that the limit lets through, where it asks often enough that hardly
   * any of it ends unused.
   */
  share(limit: BucketRule, nowMs: number): number {
    const recent = this.demand.at(nowMs);
    if (recent < OFTEN) return LEAST_SHARE;
    const { refillPerSecond } = this.rule ?? limit;
    const part = (this.demand.perMs(nowMs) * 1000) / refillPerSecond;
    return Math.min(1, Math.max(LEAST_SHARE, part));
  }

  /** Whether it is time to ask for more before there are none. */
  isLow(tripMs: number, nowMs: number): boolean {
    // One request does not make a second one.
    if (nowMs < this.#quietUntilMs || this.demand.at(nowMs) < FIRST_LEASE * 0.9) return false;
    const isLow = this.#atHand(tripMs, nowMs) < this.#lowMark(tripMs, nowMs);
    return isLow && (this.#seen === undefined || this.#inAdvance(this.#seen, nowMs) > 0);
  }

  /**
   * Whether less is there than is asked for, or was a moment ago, when others may have asked as well: many ask, and most of
   * them are refused anyway.
   */
  isScarce(want: number, nowMs: number): boolean {
    if (this.#seen === undefined || this.demand.at(nowMs) < OFTEN) return false;
    const wasShort = this.#seen.isShort && nowMs - this.#seen.atMs < this.#settings.leaseMs / 4;
    return wasShort || this.#available(this.#seen, nowMs) < want;
  }

  /**
   * How many others may wait for what a round trip brings: as many as it will bring for sure, as it would be wrong to be
   * refused for having waited for the wrong one. Where it is scarce all may wait.
   */
  spare(limit: BucketRule, need: number, want: number, tripMs: number, nowMs: number): number {
    if (this.isScarce(want, nowMs)) return want - need;
    const { deadlineMs, graceMs, leaseMs } = this.#settings;
    const isKnown = this.#seen !== undefined && nowMs - this.#seen.atMs < leaseMs / 2;
    const canAskTwice = tripMs * TWO_TRIPS < deadlineMs + graceMs;
    if (!isKnown && !canAskTwice) return 0;
    const seen = this.#seen ?? { available: limit.capacity, rule: limit, isShort: false, atMs: nowMs };
    return Math.max(0, Math.min(want, this.#inAdvance(seen, nowMs)) - need);
  }

  depart(plan: FlightPlan): Flight {
    const flight = new Flight(plan);
    this.#underWay(plan.sentAtMs).push(flight);
    return flight;
  }

  /** @param spare what a round trip has brought beside what the request needed that made it */
  arrive(spare: number, { sentAtMs, era }: { sentAtMs: number; era: number }, flight?: Flight): void {
    const untilMs = sentAtMs + this.#settings.leaseMs;
    const isGood = era === this.era;
    this.#land(flight);
    const left = flight === undefined ? spare : flight.answered(isGood ? spare : 0, untilMs);
    if (isGood) this.restore(left, untilMs);
  }

  fail(flight: Flight | undefined, nowMs: number): void {
    this.#land(flight);
    flight?.failed();
    this.rest(nowMs);
  }

  /** Nothing more is asked for in advance for a while: there is not as much as is wanted. */
  rest(nowMs: number): void {
    this.#quietUntilMs = nowMs + this.#settings.paceMs;
  }

  note({ available, rule }: BucketReply, isShort: boolean, nowMs: number): void {
    const known = this.#seen?.rule;
    const isOther = known?.capacity !== rule.capacity || known.refillPerSecond !== rule.refillPerSecond;
    // What was refused under another rule may be granted under this one.
    if (isOther) this.#refusal = undefined;
    this.#seen = { available, rule, isShort, atMs: nowMs };
  }

  /** The store has too few for a request, for so long. */
  refuse(limit: Limit, rule: BucketRule, lackMs: number, nowMs: number): void {
    const { paceMs, leaseMs } = this.#settings;
    // Who was told when there would be some finds them then.
    const isPromised = this.#refusal !== undefined && this.#refusal.untilMs > nowMs;
    const leastMs = isPromised || limit.strict === true ? 0 : paceMs;
    const untilMs = nowMs + Math.max(lackMs, leastMs);
    this.#refusal = { tokens: costOf(limit), untilMs, askAtMs: nowMs + leaseMs, rule };
  }

  get #good(): Lease {
    this.#enterEra();
    return this.#lease;
  }

  /** Throws away what is of an earlier one. */
  #enterEra(): void {
    if (this.#era === this.#currentEra()) return;
    this.#era = this.#currentEra();
    this.#lease = new Lease();
    for (const flight of this.#flights.splice(0)) flight.lose();
  }

  #available({ available, rule, atMs }: Seen, nowMs: number): number {
    return Math.min(rule.capacity, available + ((nowMs - atMs) * rule.refillPerSecond) / 1000);
  }

  /** What the store grants that is not needed yet, if nobody else has asked since. */
  #inAdvance(seen: Seen, nowMs: number): number {
    return inAdvance(this.#available(seen, nowMs), seen.rule, this.share(seen.rule, nowMs));
  }

  /** Tokens that are here, or on their way, and good when the next round trip is over. */
  #atHand(tripMs: number, nowMs: number): number {
    let sum = this.tokens(nowMs, 2 * tripMs);
    for (const flight of this.#flights) sum += flight.expectedAt(nowMs);
    return sum;
  }

  /** With fewer the tokens may run out before more are there. */
  #lowMark(tripMs: number, nowMs: number): number {
    const duringTrip = this.demand.perMs(nowMs) * Math.max(tripMs, LEAST_TRIP_MS);
    return TRIPS_AHEAD * duringTrip + Math.sqrt(duringTrip) + 1;
  }

  /** Without those whose time is over. */
  #underWay(nowMs: number): Flight[] {
    if (this.#flights.some((flight) => !flight.isUnderWay(nowMs)))
      this.#flights = this.#flights.filter((flight) => flight.isUnderWay(nowMs));
    return this.#flights;
  }

  #land(flight: Flight | undefined): void {
    const index = flight === undefined ? -1 : this.#flights.indexOf(flight);
    if (index >= 0) this.#flights.splice(index, 1);
  }
}
