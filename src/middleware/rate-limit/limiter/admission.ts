/**
 * One request's way through its limits, as steps that somebody else takes: ask the store, wait a little, or be done. It
 * holds no promise and no timer, so that the same runs on Workers, on Node, and on a simulation's clock.
 */
import type { Demanded } from "./limit-check.ts";
import type { LimiterSettings } from "./options.ts";
import type { Flight } from "./pending-refill.ts";
import { StoreCall } from "./store-call.ts";
import type { LimitVerdict } from "./verdict.ts";

export type Step =
  | Decided
  /** To be sent, and waited for no longer than it says; then `answered` or `failed` is told. */
  | { readonly kind: "ask"; readonly call: StoreCall }
  | { readonly kind: "wait"; readonly ms: number };

export interface Decided {
  readonly kind: "decided";
  readonly verdict: LimitVerdict;
  /** To be sent in the background, for the requests that are to come. */
  readonly refresh: StoreCall | undefined;
}

/** What the isolate has for an admission. */
export interface AdmissionSurroundings {
  readonly settings: LimiterSettings;
  readonly now: () => number;
  /** How long a round trip takes, milliseconds. */
  readonly tripMs: () => number;
}

/** Tokens that another request's round trip is to bring. */
interface Claim {
  readonly demanded: Demanded;
  readonly flight: Flight;
}

/** Another round trip may take that much longer than those before. */
const PATIENCE = 1.25;
/** Whoever makes it has died, or it is lost, if a round trip takes so many times as long as others. */
const LOST_AFTER = 3;

export class Admission {
  readonly #all: readonly Demanded[];
  readonly #at: AdmissionSurroundings;
  readonly #startedAtMs: number;
  readonly #buckets: readonly string[];
  #claims: readonly Claim[] | undefined;
  #hasWaitedInVain = false;

  constructor(all: readonly Demanded[], surroundings: AdmissionSurroundings) {
    this.#all = all;
    this.#at = surroundings;
    this.#buckets = all.map(({ key }) => key.bucket);
    this.#startedAtMs = surroundings.now();
    for (const { state, cost } of all) state.demand.add(cost, this.#startedAtMs);
  }

  next(): Step {
    const nowMs = this.#at.now();
    return this.#claims === undefined ? this.#decide(nowMs) : this.#waitFor(this.#claims, nowMs);
  }

  /** The store has answered the call that was asked for. */
  answered(call: StoreCall): Step {
    for (const demanded of this.#all) {
      const reply = demanded.isSettled ? undefined : call.replyFor(demanded.key.bucket);
      if (reply !== undefined) demanded.hear(reply);
    }
    // Of what was not told nothing is known.
    return this.#isSettled() ? this.#decided(this.#at.now()) : this.failed();
  }

  /** The store has not answered in time, or was not asked at all. */
  failed(): Step {
    const nowMs = this.#at.now();
    for (const demanded of this.#all) if (!demanded.isSettled) demanded.settleWithoutStore(nowMs);
    const isAdmitted = !this.#isRefused();
    for (const demanded of this.#all) if (isAdmitted) demanded.takeLocally(nowMs);
    return this.#decided(nowMs);
  }

  /** By what the isolate has and knows; else the store is asked, or somebody waited for who asks it. */
  #decide(nowMs: number): Step {
    for (const demanded of this.#all) if (!demanded.isSettled) demanded.useLease(nowMs);
    for (const demanded of this.#all) if (!demanded.isSettled) demanded.recall(nowMs);
    if (this.#isRefused() || this.#isSettled()) return this.#decided(nowMs);
    // While others are waited for they might end.
    for (const demanded of this.#all) demanded.giveUpWhatEnds(nowMs + this.#timeLeftMs(nowMs));
    this.#claims = this.#claim(nowMs);
    return this.#claims === undefined ? this.#ask(nowMs) : this.#waitFor(this.#claims, nowMs);
  }

  #waitFor(claims: readonly Claim[], nowMs: number): Step {
    const leftMs = this.#timeLeftMs(nowMs);
    this.#loseLate(claims, nowMs);
    const isWaiting = leftMs > 0 && claims.some(({ flight }) => flight.isUnderWay(nowMs));
    return isWaiting
      ? { kind: "wait", ms: Math.min(this.#at.settings.lookEveryMs, leftMs) }
      : this.#collect(claims, nowMs);
  }

  /** One of those who wait for it finds out that it is late, and all of them look for another. */
  #loseLate(claims: readonly Claim[], nowMs: number): void {
    const tripMs = this.#at.tripMs();
    if (this.#timeLeftMs(nowMs) <= PATIENCE * tripMs) return;
    const lateMs = LOST_AFTER * tripMs + this.#at.settings.lookEveryMs;
    for (const { flight } of claims) if (nowMs - flight.plan.sentAtMs > lateMs) flight.lose();
  }

  #collect(claims: readonly Claim[], nowMs: number): Step {
    this.#claims = undefined;
    for (const { demanded, flight } of claims) demanded.collect(flight, nowMs);
    if (claims.some(({ flight }) => !flight.isOver)) return this.failed();
    const inVain = claims.filter(({ demanded }) => !demanded.isSettled);
    this.#hasWaitedInVain ||= inVain.length > 0;
    for (const { demanded, flight } of inVain)
      if (flight.plan.isScarce) demanded.refuse("remembered", this.#at.settings.paceMs);
    return this.#decide(nowMs);
  }

  /** Where all that is missing is on its way, asked for by others. */
  #claim(nowMs: number): readonly Claim[] | undefined {
    const open = this.#all.filter(({ isSettled }) => !isSettled);
    const claims = open.flatMap((demanded) => {
      const { isStrict, state, cost } = demanded;
      const flight = isStrict ? undefined : state.findFlight(cost, this.#buckets, nowMs);
      return flight === undefined ? [] : [{ demanded, flight }];
    });
    if (claims.length < open.length) return undefined;
    for (const { demanded, flight } of claims) flight.claim(demanded.cost);
    return claims;
  }

  #ask(nowMs: number): Step {
    const leftMs = this.#timeLeftMs(nowMs);
    if (leftMs <= 0) return this.failed();
    const isHurried = leftMs < this.#at.settings.deadlineMs;
    const call = new StoreCall({ sentAtMs: nowMs, timeoutMs: leftMs, tripMs: this.#at.tripMs(), isHurried });
    for (const demanded of this.#all)
      if (!demanded.isSettled) call.add(demanded, demanded.cost, this.#wanted(demanded, nowMs));
    this.#askInAdvance(call, nowMs);
    return { kind: "ask", call };
  }

  /** What is had is asked for in advance, where it is time, on the same way. */
  #askInAdvance(call: StoreCall, nowMs: number): void {
    for (const demanded of this.#all)
      if (demanded.isSettled && this.#isLow(demanded, nowMs))
        call.add(demanded, 0, this.#wanted(demanded, nowMs));
  }

  #isLow({ isStrict, state }: Demanded, nowMs: number): boolean {
    return !isStrict && state.isLow(this.#at.tripMs(), nowMs);
  }

  #wanted({ isStrict, state }: Demanded, nowMs: number): number {
    return isStrict ? 0 : state.wanted(this.#at.tripMs(), nowMs);
  }

  #decided(nowMs: number): Decided {
    const isAdmitted = !this.#isRefused();
    // A refused request uses nothing of what the isolate has.
    if (!isAdmitted) for (const demanded of this.#all) demanded.release();
    const results = this.#all.map((demanded) => demanded.result(nowMs));
    return { kind: "decided", verdict: { isAdmitted, results }, refresh: this.#refresh(isAdmitted, nowMs) };
  }

  #refresh(isAdmitted: boolean, nowMs: number): StoreCall | undefined {
    if (!isAdmitted || this.#all.some(({ wasAsked }) => wasAsked)) return undefined;
    if (!this.#all.some((demanded) => this.#isLow(demanded, nowMs))) return undefined;
    const call = new StoreCall({
      sentAtMs: nowMs,
      timeoutMs: this.#at.settings.deadlineMs,
      tripMs: this.#at.tripMs(),
    });
    this.#askInAdvance(call, nowMs);
    return call;
  }

  #timeLeftMs(nowMs: number): number {
    const { deadlineMs, graceMs } = this.#at.settings;
    return this.#startedAtMs + deadlineMs + (this.#hasWaitedInVain ? graceMs : 0) - nowMs;
  }

  #isSettled(): boolean {
    for (const { isSettled } of this.#all) if (!isSettled) return false;
    return true;
  }

  #isRefused(): boolean {
    for (const { isRefusing } of this.#all) if (isRefusing) return true;
    return false;
  }
}
