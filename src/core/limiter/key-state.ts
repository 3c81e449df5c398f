/** What an isolate knows of one bucket. */
import { costOf, type Limit } from "../../contract/policy.ts";
import { type BucketRule, inAdvance } from "./bucket.ts";
import { Demand } from "./demand.ts";
import { Flight } from "./flight.ts";
import { Lease } from "./lease.ts";
import type { LimiterSettings } from "./options.ts";
import type { BucketReply } from "./store.ts";

/** With more under way at a time none is waited for. */
const MAX_FLIGHTS = 8;
/** Nobody has been asked yet: the second request often comes soon after the first. */
const FIRST_LEASE = 2;
/** So many round trips' worth of tokens are to be there when the next ones are asked for. */
const TRIPS_AHEAD = 3;
/** A lease is to be used up well before its end. */
const MOST_OF_LEASE = 0.9;

/** Of what a bucket holds an isolate may take so much in advance, whatever its part of the requests is. */
const LEAST_SHARE = 1 / 8;
/** Tokens within half a lease, from which on chance hardly matters. */
const OFTEN = 8;

interface Refusal {
  /** For as many as this, or more, there were too few. */
  readonly tokens: number;
  readonly untilMs: number;
}

interface Seen {
  readonly available: number;
  readonly rule: BucketRule;
}

export class KeyState {
  readonly lease = new Lease();
  readonly demand: Demand;
  readonly #settings: LimiterSettings;
  #flights: Flight[] = [];
  #refusal: Refusal | undefined;
  #seen: Seen | undefined;
  #quietUntilMs = 0;

  constructor(settings: LimiterSettings) {
    this.#settings = settings;
    this.demand = new Demand(settings.leaseMs / 2);
  }

  /** The rule that the store has told; undefined before it has. */
  get rule(): BucketRule | undefined {
    return this.#seen?.rule;
  }

  /** What is left, as far as is known here. */
  remaining(nowMs: number): number {
    return Math.max(0, (this.#seen?.available ?? 0) + this.lease.tokens(nowMs));
  }

  /** In how many milliseconds there are as many, where the store has said that there are too few; 0 where it has not. */
  refusedForMs(tokens: number, nowMs: number): number {
    const refusal = this.#refusal;
    if (refusal === undefined || tokens < refusal.tokens) return 0;
    const leftMs = refusal.untilMs - nowMs;
    if (leftMs > 0) return leftMs;
    this.#refusal = undefined;
    return 0;
  }

  /** Whether as many are on their way for nobody. */
  canClaim(tokens: number, nowMs: number): boolean {
    return this.#flights.some((flight) => flight.spareAt(nowMs) >= tokens);
  }

  /** The round trip that brings as many; they are claimed. */
  claim(tokens: number, nowMs: number): Flight | undefined {
    return this.#flights.find((flight) => flight.claim(tokens, nowMs));
  }

  /**
   * How many are to be asked for in all: as much as was asked for within half a lease, or what comes during some round
   * trips, without what is there.
   */
  wanted(tripMs: number, nowMs: number): number {
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
    return isLow && this.#granted(0, Number.POSITIVE_INFINITY, nowMs) > 0;
  }

  /**
   * How many others may wait for what a round trip brings. Where few ask, those who cannot be sure of it ask for
   * themselves: to be refused for having waited for the wrong one would be wrong.
   */
  spare(need: number, want: number, nowMs: number): number {
    const isOften = this.demand.at(nowMs) >= OFTEN;
    return (isOften ? want : this.#granted(need, want, nowMs)) - need;
  }

  /** @param spare tokens that it is to bring for others */
  depart(spare: number, untilMs: number, nowMs: number): Flight {
    const flight = new Flight(spare, untilMs);
    this.#flights = this.#flights.filter((each) => each.isUnderWay(nowMs));
    if (this.#flights.length < MAX_FLIGHTS) this.#flights.push(flight);
    return flight;
  }

  /** @param spare what it has brought beside what the request needed that asked */
  arrive(flight: Flight, spare: number, sentAtMs: number): void {
    this.#land(flight);
    const untilMs = sentAtMs + this.#settings.leaseMs;
    this.lease.add(flight.answered(spare, untilMs), untilMs);
  }

  fail(flight: Flight, nowMs: number): void {
    this.#land(flight);
    flight.failed();
    this.rest(nowMs);
  }

  /** Nothing more is asked for in advance for a while: there is not as much as is wanted. */
  rest(nowMs: number): void {
    this.#quietUntilMs = nowMs + this.#settings.paceMs;
  }

  note({ available, rule }: BucketReply): void {
    const known = this.#seen?.rule;
    const isOther = known?.capacity !== rule.capacity || known.refillPerSecond !== rule.refillPerSecond;
    // What was refused under another rule may be granted under this one.
    if (isOther) this.#refusal = undefined;
    this.#seen = { available, rule };
  }

  /** The store has too few for a request, for so long. */
  refuse(limit: Limit, lackMs: number, nowMs: number): void {
    const paceMs = limit.strict === true ? 0 : this.#settings.paceMs;
    this.#refusal = { tokens: costOf(limit), untilMs: nowMs + Math.max(lackMs, paceMs) };
  }

  /** What the store will grant, if nobody else has asked since. */
  #granted(need: number, want: number, nowMs: number): number {
    if (this.#seen === undefined) return want;
    const { available, rule } = this.#seen;
    return Math.max(need, Math.min(want, inAdvance(available, rule, this.share(rule, nowMs))));
  }

  /** Tokens that are here, or on their way, and good when the next round trip is over. */
  #atHand(tripMs: number, nowMs: number): number {
    let sum = this.lease.tokens(nowMs, 2 * tripMs);
    for (const flight of this.#flights) sum += flight.spareAt(nowMs);
    return sum;
  }

  /** With fewer the tokens may run out before more are there. */
  #lowMark(tripMs: number, nowMs: number): number {
    const duringTrip = this.demand.perMs(nowMs) * tripMs;
    return TRIPS_AHEAD * duringTrip + Math.sqrt(duringTrip) + 1;
  }

  #land(flight: Flight): void {
    const index = this.#flights.indexOf(flight);
    if (index >= 0) this.#flights.splice(index, 1);
  }
}
