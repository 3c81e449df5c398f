/**
 * One request's way through its limits, as steps that somebody else takes: ask the store, wait a little, or be done. It
 * holds no promise and no timer, so that the same runs on Workers, on Node, and on a simulation's clock.
 */
import { costOf, type Limit } from "../../contract/policy.ts";
import { waitMs } from "./bucket.ts";
import type { Flight } from "./flight.ts";
import type { KeyState } from "./key-state.ts";
import type { LimitKey } from "./limit-key.ts";
import type { LocalBucket } from "./local-bucket.ts";
import type { LimiterSettings } from "./options.ts";
import { StoreCall } from "./store-call.ts";
import { type LimitMode, type LimitResult, type LimitVerdict, refuses } from "./verdict.ts";

export type Step =
  | { readonly kind: "decided"; readonly verdict: LimitVerdict; readonly refresh: StoreCall | undefined }
  /** To be sent, and waited for no longer than it says; then it is told to `answered` or to `failed`. */
  | { readonly kind: "ask"; readonly call: StoreCall }
  | { readonly kind: "wait"; readonly ms: number };

/** What the isolate has for an admission. */
export interface AdmissionSurroundings {
  readonly settings: LimiterSettings;
  readonly now: () => number;
  /** How long a round trip takes, milliseconds. */
  readonly tripMs: () => number;
  readonly localBucket: (bucket: string) => LocalBucket;
}

/** One limit of the request. */
export interface Demanded {
  readonly limit: Limit;
  readonly key: LimitKey;
  readonly state: KeyState;
}

/** A part of the way that has been settled. */
interface Settled {
  readonly mode: LimitMode;
  readonly outcome: LimitResult["outcome"];
  readonly waitMs: number;
  /** Until when the tokens that it holds could be used by another one; undefined where it holds none of the isolate's. */
  readonly heldUntilMs?: number | undefined;
}

/** Tokens that another request's round trip is to bring, for the limit at this place. */
interface Claim {
  readonly index: number;
  readonly flight: Flight;
}

/** Another round trip may take that much longer than those before. */
const PATIENCE = 1.25;
/** Whoever makes it has died, if a round trip takes so many times as long as others. */
const LOST_AFTER = 3;

export class Admission {
  readonly #demanded: readonly Demanded[];
  readonly #at: AdmissionSurroundings;
  readonly #settled: (Settled | undefined)[];
  readonly #startedAtMs: number;
  /** For whose tokens it waits, by the place of its limit. */
  #claims: readonly Claim[] | undefined;
  #claimedAtMs = 0;
  #mayClaim = true;

  constructor(demanded: readonly Demanded[], surroundings: AdmissionSurroundings) {
    this.#demanded = demanded;
    this.#at = surroundings;
    this.#settled = demanded.map(() => undefined);
    this.#startedAtMs = surroundings.now();
    for (const { limit, state } of demanded) state.demand.add(costOf(limit), this.#startedAtMs);
  }

  next(): Step {
    const nowMs = this.#at.now();
    if (this.#claims !== undefined) {
      const leftMs = this.#timeLeftMs(nowMs);
      const isWaiting = this.#claims.some(({ flight }) => flight.isUnderWay(nowMs));
      if (!isWaiting || leftMs <= 0) return this.#collect(this.#claims, nowMs);
      if (!this.#isLost(nowMs)) return { kind: "wait", ms: Math.min(this.#at.settings.lookEveryMs, leftMs) };
      this.#claims = undefined;
      this.#mayClaim = false;
    }
    this.#useLeases(nowMs);
    if (this.#recall(nowMs)) return this.#decided(nowMs);
    if (this.#open().length === 0) return this.#decided(nowMs);
    this.#giveUpWhatEnds(nowMs);
    if (this.#claim(nowMs)) return this.next();
    return this.#ask(nowMs);
  }

  /** @param call the one that was asked for */
  answered(call: StoreCall): Step {
    const nowMs = this.#at.now();
    for (const index of this.#open()) {
      const reply = call.replyFor(this.#entry(index).key.bucket);
      if (reply === undefined) continue;
      const { waitMs: lackMs } = reply;
      this.#settled[index] = { mode: "store", outcome: lackMs === 0 ? "passed" : "limited", waitMs: lackMs };
    }
    return this.#decided(nowMs);
  }

  /** The store has not answered in time, or was not asked at all. */
  failed(): Step {
    const nowMs = this.#at.now();
    const open = this.#open();
    for (const index of open) this.#settled[index] = this.#withoutStore(this.#entry(index), nowMs);
    if (this.#isRefused()) return this.#decided(nowMs);
    for (const index of open) {
      const { limit, key, state } = this.#entry(index);
      if (this.#settled[index]?.mode === "local")
        this.#at.localBucket(key.bucket).take(costOf(limit), state.rule ?? limit, nowMs);
    }
    return this.#decided(nowMs);
  }

  #withoutStore({ limit, key, state }: Demanded, nowMs: number): Settled {
    const onStoreFailure = limit.dryRun === true ? "open" : limit.onStoreFailure;
    switch (onStoreFailure) {
      case "open":
        return { mode: "open", outcome: "passed", waitMs: 0 };
      case "closed":
        return { mode: "closed", outcome: "unavailable", waitMs: 0 };
      case "local": {
        const rule = state.rule ?? limit;
        const available = this.#at.localBucket(key.bucket).available(rule, nowMs);
        const lackMs = waitMs(available, costOf(limit), rule);
        return { mode: "local", outcome: lackMs === 0 ? "passed" : "limited", waitMs: lackMs };
      }
    }
  }

  #entry(index: number): Demanded {
    const entry = this.#demanded[index];
    if (entry === undefined) throw new RangeError(`there is no limit ${index}`);
    return entry;
  }

  /** The places of those that nothing has decided yet. */
  #open(): number[] {
    return [...this.#settled.keys()].filter((index) => this.#settled[index] === undefined);
  }

  #timeLeftMs(nowMs: number): number {
    return this.#startedAtMs + this.#at.settings.deadlineMs - nowMs;
  }

  #isRefused(): boolean {
    return this.#settled.some(
      (settled, index) => settled !== undefined && refuses(this.#entry(index).limit, settled.outcome),
    );
  }

  /** @returns whether what the store has said a moment ago refuses the request */
  #recall(nowMs: number): boolean {
    for (const index of this.#open()) {
      const { limit, state } = this.#entry(index);
      const leftMs = state.refusedForMs(costOf(limit), nowMs);
      if (leftMs === 0) continue;
      this.#settled[index] = { mode: "remembered", outcome: "limited", waitMs: leftMs };
    }
    return this.#isRefused();
  }

  #useLeases(nowMs: number): void {
    for (const index of this.#open()) {
      const { limit, state } = this.#entry(index);
      if (limit.strict === true) continue;
      const heldUntilMs = state.lease.use(costOf(limit), nowMs);
      if (heldUntilMs !== undefined)
        this.#settled[index] = { mode: "lease", outcome: "passed", waitMs: 0, heldUntilMs };
    }
  }

  /** Tokens that may end while others are waited for are asked for as well. */
  #giveUpWhatEnds(nowMs: number): void {
    const latestMs = nowMs + this.#timeLeftMs(nowMs);
    for (const [index, settled] of this.#settled.entries()) {
      if (settled?.heldUntilMs === undefined || settled.heldUntilMs > latestMs) continue;
      const { limit, state } = this.#entry(index);
      state.lease.add(costOf(limit), settled.heldUntilMs);
      this.#settled[index] = undefined;
    }
  }

  /** Whether it is better to ask than to wait on. */
  #isLost(nowMs: number): boolean {
    const tripMs = this.#at.tripMs();
    return (
      nowMs - this.#claimedAtMs > LOST_AFTER * tripMs + this.#at.settings.lookEveryMs &&
      this.#timeLeftMs(nowMs) > PATIENCE * tripMs
    );
  }

  /** Whether all that is missing is on its way, asked for by others. */
  #claim(nowMs: number): boolean {
    if (!this.#mayClaim) return false;
    const open = this.#open();
    const isThere = open.every((index) => {
      const { limit, state } = this.#entry(index);
      return limit.strict !== true && state.canClaim(costOf(limit), nowMs);
    });
    if (!isThere) return false;
    this.#claimedAtMs = nowMs;
    this.#claims = open.flatMap((index) => {
      const { limit, state } = this.#entry(index);
      const flight = state.claim(costOf(limit), nowMs);
      return flight === undefined ? [] : [{ index, flight }];
    });
    return true;
  }

  #collect(claims: readonly Claim[], nowMs: number): Step {
    this.#claims = undefined;
    for (const { index, flight } of claims) {
      const heldUntilMs = flight.collect(costOf(this.#entry(index).limit), nowMs);
      if (heldUntilMs !== undefined)
        this.#settled[index] = { mode: "lease", outcome: "passed", waitMs: 0, heldUntilMs };
    }
    if (claims.some(({ flight }) => !flight.isAnswered)) return this.failed();
    if (this.#timeLeftMs(nowMs) > PATIENCE * this.#at.tripMs()) return this.next();
    // The store has said that there is little, and there is no time to ask whether some of it is left.
    for (const index of this.#open()) {
      const { limit, state } = this.#entry(index);
      const isRefused = state.refusedForMs(costOf(limit), nowMs);
      this.#settled[index] = {
        mode: "remembered",
        outcome: "limited",
        waitMs: Math.max(isRefused, this.#at.settings.paceMs),
      };
    }
    return this.#decided(nowMs);
  }

  #ask(nowMs: number): Step {
    const tripMs = this.#at.tripMs();
    const call = new StoreCall(nowMs, this.#timeLeftMs(nowMs));
    for (const [index, { limit, key, state }] of this.#demanded.entries()) {
      const isOpen = this.#settled[index] === undefined;
      const isStrict = limit.strict === true;
      // What is had already is asked for in advance, where it is time, on the same way.
      if (!isOpen && (isStrict || !state.isLow(tripMs, nowMs))) continue;
      const need = isOpen ? costOf(limit) : 0;
      const want = isStrict ? 0 : state.wanted(tripMs, nowMs);
      call.add({ limit, key, state, need, want, nowMs });
    }
    return { kind: "ask", call };
  }

  /** In the background, for the requests that are to come. */
  #refresh(nowMs: number): StoreCall | undefined {
    const tripMs = this.#at.tripMs();
    let call: StoreCall | undefined;
    for (const { limit, key, state } of this.#demanded) {
      if (limit.strict === true || !state.isLow(tripMs, nowMs)) continue;
      call ??= new StoreCall(nowMs, this.#at.settings.deadlineMs);
      call.add({ limit, key, state, need: 0, want: state.wanted(tripMs, nowMs), nowMs });
    }
    return call;
  }

  #decided(nowMs: number): Step & { kind: "decided" } {
    const isAdmitted = !this.#isRefused();
    if (!isAdmitted) this.#release();
    const results = this.#demanded.map((_, index) => this.#result(index, nowMs));
    const isAsked = results.some(({ mode }) => mode !== "lease" && mode !== "remembered");
    const refresh = isAdmitted && !isAsked ? this.#refresh(nowMs) : undefined;
    return { kind: "decided", verdict: { isAdmitted, results }, refresh };
  }

  /** What nobody has decided has not been reached: something before it has refused. */
  #result(index: number, nowMs: number): LimitResult {
    const { limit, key, state } = this.#entry(index);
    const settled = this.#settled[index] ?? { mode: "lease", outcome: "passed", waitMs: 0 };
    const rule = state.rule ?? limit;
    const isLocal = settled.mode === "local";
    const remaining = isLocal
      ? this.#at.localBucket(key.bucket).available(rule, nowMs)
      : state.rule === undefined
        ? rule.capacity
        : state.remaining(nowMs);
    return { limit, mode: settled.mode, outcome: settled.outcome, rule, remaining, waitMs: settled.waitMs };
  }

  /** A refused request uses nothing of what the isolate has. */
  #release(): void {
    for (const [index, settled] of this.#settled.entries()) {
      const { limit, state } = this.#entry(index);
      if (settled?.heldUntilMs !== undefined) state.lease.add(costOf(limit), settled.heldUntilMs);
    }
  }
}
