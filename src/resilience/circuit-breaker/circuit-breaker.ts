/**
 * A circuit breaker. It decides synchronously, keeps no timer and no promise, takes the same time and memory
 * however many calls there were, and holds nothing of a caller's: the clock and the random source are passed in.
 *
 * Closed, it lets calls through and counts them. Open, it rejects them until its time is over. Half-open, it lets one
 * probe through at a time, each for the time of its lease. Every change of state begins a generation; a result of an
 * earlier one changes nothing.
 */

import { type BreakerOptions, type BreakerSettings, breakerSettings } from "./options.ts";
import { BreakerOpenError, type Judgement } from "./outcome.ts";
import type { BreakerState, Transition, TransitionReason } from "./transition.ts";
import { CallWindow } from "./window.ts";

export interface BreakerDependencies {
  /** Milliseconds, not negative; any clock, even one that is set back at times. Read only where it matters. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  /** Told of every change of state, synchronously; what it throws is the caller's. */
  readonly onTransition?: (transition: Transition) => void;
}

/** Leave to make one call. The first result that it is told counts, and only that. */
export interface Permit {
  readonly granted: true;
  /** The dependency answered, whatever it answered. */
  ok(): void;
  /** The dependency failed. @param retryAfterMs for how long it asked not to be called */
  fail(retryAfterMs?: number): void;
  /** The call says nothing of the dependency: its caller went away, say. */
  ignore(): void;
}

export interface Rejection {
  readonly granted: false;
  /** When it may be tried again, on the breaker's clock. */
  readonly retryAtMs: number;
}

export interface Breaker {
  /**
   * Leave to call, or when to ask again; decided at once. Who gets a permit settles it.
   *
   * @param leaseMs how long the call may take, where that is more than `halfOpenTimeoutMs`: so long a probe is waited for
   */
  tryAcquire(leaseMs?: number): Permit | Rejection;
  /**
   * Makes one awaited call. It listens to nothing: whether the caller has gone is for `judge` to see.
   *
   * @param judge what an error that the attempt throws says of the dependency
   * @throws BreakerOpenError without calling, or what the attempt throws
   */
  run<T>(attempt: () => Promise<T>, judge: (error: unknown) => Judgement): Promise<T>;
  /** Where it is open, its time is over: there is reason to think that the dependency is back. */
  hasten(): void;
  /** Open until somebody asks after its time is over: only then it becomes half-open. */
  readonly state: BreakerState;
  /** How many calls it has rejected since it was made. */
  readonly rejections: number;
}

/** Rejected by the ramp, a caller may try again after so long, milliseconds. */
const RAMP_RETRY_MS = 1_000;
const SUCCESSES_A_READING = 4;
/** In the place of a time. */
const REJECTED = -1;
/** The ramp is over: everybody passes. */
const WHOLE = Number.POSITIVE_INFINITY;
/** Beyond this exponent twice as long is above any limit. */
const MAX_EXPONENT = 30;

class BreakerCore implements Breaker {
  readonly #settings: BreakerSettings;
  readonly #now: () => number;
  readonly #random: () => number;
  /** Whether it matters how long a call takes. */
  readonly #timesCalls: boolean;
  readonly #onTransition: ((transition: Transition) => void) | undefined;
  readonly #window = new CallWindow();
  #state: BreakerState = "closed";
  #generation = 0;
  /** Closed: since when; before that there was nothing to recover from. */
  #closedAtMs = Number.NEGATIVE_INFINITY;
  #consecutiveFailures = 0;
  #untilReading = 0;
  /** What the ramp has let up for the next call: 1 is enough for one. */
  #rampCredit = WHOLE;
  /** What everybody is told who is rejected. */
  #rejection: Rejection = { granted: false, retryAtMs: 0 };
  #lastRefusal: BreakerOpenError | undefined;
  #rejections = 0;
  /** How often it has opened since it was last well. */
  #openings = 0;
  /** Half-open: until when the one probe may take; undefined where there is none. */
  #leaseUntilMs: number | undefined;
  #leaseMs = 0;
  #successes = 0;

  constructor(settings: BreakerSettings, { now, random, onTransition }: BreakerDependencies) {
    this.#settings = settings;
    this.#now = now;
    this.#random = random;
    this.#timesCalls = settings.slowCallMs !== Number.POSITIVE_INFINITY;
    this.#onTransition = onTransition;
  }

  get state(): BreakerState {
    return this.#state;
  }

  get rejections(): number {
    return this.#rejections;
  }

  tryAcquire(leaseMs = 0): Permit | Rejection {
    const startedMs = this.#begin(leaseMs);
    if (startedMs !== REJECTED) return new CallPermit(this, this.#generation, startedMs);
    this.#rejections += 1;
    return this.#rejection;
  }

  hasten(): void {
    if (this.#state === "open") this.#rejection = { granted: false, retryAtMs: Number.NEGATIVE_INFINITY };
  }

  async run<T>(attempt: () => Promise<T>, judge: (error: unknown) => Judgement): Promise<T> {
    const startedMs = this.#begin(0);
    if (startedMs === REJECTED) {
      this.#rejections += 1;
      throw this.#refusal();
    }
    const generation = this.#generation;
    try {
      const result = await attempt();
      this.succeeded(generation, startedMs);
      return result;
    } catch (error) {
      const judgement = judge(error);
      if (judgement === "failure") this.failed(generation, startedMs, undefined);
      else if (judgement === "answer") this.succeeded(generation, startedMs);
      else this.ignored(generation);
      throw error;
    }
  }

  succeeded(generation: number, startedMs: number): void {
    if (generation !== this.#generation) return;
    if (this.#state === "half_open") this.#probed(this.#isSlow(startedMs, this.#now()));
    else if (this.#timesCalls) this.#counted(startedMs);
    else this.#countedUntimed();
  }

  failed(generation: number, startedMs: number, retryAfterMs: number | undefined): void {
    if (generation !== this.#generation) return;
    const nowMs = this.#now();
    if (retryAfterMs !== undefined && retryAfterMs > 0) {
      this.#open("pushback", nowMs, retryAfterMs);
    } else if (this.#state === "half_open") {
      this.#open("probe_failed", nowMs);
    } else {
      this.#consecutiveFailures += 1;
      this.#window.add(nowMs, true, this.#isSlow(startedMs, nowMs));
      this.#openIfTooMany(nowMs);
    }
  }

  ignored(generation: number): void {
    if (generation === this.#generation) this.#leaseUntilMs = undefined;
  }

  /** @returns when the call that is let through began, 0 where nobody asks; or REJECTED */
  #begin(leaseMs: number): number {
    if (this.#state === "closed") {
      // The clock costs a third of all the rest.
      if (!this.#timesCalls && this.#rampCredit === WHOLE) return 0;
      return this.#passesRamp(this.#now());
    }
    const nowMs = this.#now();
    if (this.#state === "open") {
      if (this.#isAhead(this.#rejection.retryAtMs, nowMs, this.#settings.maxTimeoutMs)) return REJECTED;
      this.#enter("half_open", "timeout", nowMs);
    }
    if (this.#leaseUntilMs === undefined) return this.#lease(nowMs, leaseMs);
    if (!this.#isAhead(this.#leaseUntilMs, nowMs, this.#leaseMs)) this.#open("probe_lost", nowMs);
    return REJECTED;
  }

  /** Capturing a stack is nearly all that a rejection costs: while the time is the same, so is the error. */
  #refusal(): BreakerOpenError {
    const { retryAtMs } = this.#rejection;
    if (this.#lastRefusal?.retryAtMs !== retryAtMs) this.#lastRefusal = new BreakerOpenError(retryAtMs);
    return this.#lastRefusal;
  }

  #isSlow(startedMs: number, nowMs: number): boolean {
    return this.#timesCalls && nowMs - startedMs >= this.#settings.slowCallMs;
  }

  /** Whether a time is still to come. Further ahead than it was ever set it is where the clock was set back. */
  #isAhead(atMs: number, nowMs: number, mostMs: number): boolean {
    return atMs > nowMs && atMs - nowMs <= mostMs;
  }

  /** Lets a share of the calls through, evenly spread, without chance. */
  #passesRamp(nowMs: number): number {
    if (this.#rampCredit === WHOLE) return nowMs;
    const { rampMs, rampFrom } = this.#settings;
    const sinceMs = Math.max(0, nowMs - this.#closedAtMs);
    if (sinceMs >= rampMs) {
      this.#rampCredit = WHOLE;
      return nowMs;
    }
    this.#rampCredit += rampFrom + ((1 - rampFrom) * sinceMs) / rampMs;
    if (this.#rampCredit < 1) {
      this.#rejection = { granted: false, retryAtMs: nowMs + RAMP_RETRY_MS };
      return REJECTED;
    }
    this.#rampCredit -= 1;
    return nowMs;
  }

  #lease(nowMs: number, leaseMs: number): number {
    this.#leaseMs = Math.max(leaseMs, this.#settings.halfOpenTimeoutMs);
    this.#leaseUntilMs = nowMs + this.#leaseMs;
    this.#rejection = { granted: false, retryAtMs: this.#leaseUntilMs };
    return nowMs;
  }

  #probed(isSlow: boolean): void {
    this.#leaseUntilMs = undefined;
    this.#successes += 1;
    if (isSlow) this.#open("probe_failed", this.#now());
    else if (this.#successes >= this.#settings.successThreshold)
      this.#enter("closed", "recovered", this.#now());
  }

  #counted(startedMs: number): void {
    const nowMs = this.#now();
    const isSlow = this.#isSlow(startedMs, nowMs);
    this.#consecutiveFailures = 0;
    this.#window.add(nowMs, false, isSlow);
    if (isSlow) this.#openIfTooMany(nowMs);
  }

  /**
   * The clock is the dearest part of counting a success, so it is read for one of four. The others count in the
   * second of the last reading: early, never late, so that what was idle has no past all the same.
   */
  #countedUntimed(): void {
    this.#consecutiveFailures = 0;
    this.#untilReading -= 1;
    if (this.#untilReading <= 0) {
      this.#untilReading = SUCCESSES_A_READING;
      this.#window.advance(this.#now());
    }
    this.#window.addSuccess();
  }

  #openIfTooMany(nowMs: number): void {
    const { failureThreshold, minimumCalls, failureRatio, slowRatio } = this.#settings;
    const { calls, failures, slow } = this.#window;
    const isTelling = calls >= minimumCalls;
    if (this.#consecutiveFailures >= failureThreshold) this.#open("consecutive_failures", nowMs);
    else if (isTelling && failures / calls >= failureRatio) this.#open("failure_ratio", nowMs);
    else if (isTelling && slow / calls >= slowRatio) this.#open("slow_ratio", nowMs);
  }

  #open(reason: TransitionReason, nowMs: number, hintMs?: number): void {
    const { timeoutMs, maxTimeoutMs, rampMs } = this.#settings;
    const wasWell = this.#state === "closed" && nowMs - this.#closedAtMs >= rampMs;
    if (wasWell) this.#openings = 0;
    const longestMs = Math.min(maxTimeoutMs, timeoutMs * 2 ** Math.min(this.#openings, MAX_EXPONENT));
    // Full jitter, as in https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    const openMs = hintMs === undefined ? this.#random() * longestMs : Math.min(hintMs, maxTimeoutMs);
    this.#openings += 1;
    this.#rejection = { granted: false, retryAtMs: nowMs + openMs };
    this.#enter("open", reason, nowMs);
  }

  #enter(to: BreakerState, reason: TransitionReason, atMs: number): void {
    const from = this.#state;
    this.#state = to;
    this.#generation += 1;
    this.#leaseUntilMs = undefined;
    this.#successes = 0;
    if (to === "closed") {
      this.#closedAtMs = atMs;
      this.#rampCredit = 1;
      this.#consecutiveFailures = 0;
      this.#untilReading = 0;
      this.#window.clear();
    }
    this.#onTransition?.({ from, to, reason, atMs });
  }
}

/** Small, because there is one for every call. */
class CallPermit implements Permit {
  readonly granted = true;
  readonly #generation: number;
  /** 0 where nobody asks how long the call takes. */
  readonly #startedMs: number;
  /** Undefined once it is settled. */
  #breaker: BreakerCore | undefined;

  constructor(breaker: BreakerCore, generation: number, startedMs: number) {
    this.#breaker = breaker;
    this.#generation = generation;
    this.#startedMs = startedMs;
  }

  ok(): void {
    const breaker = this.#breaker;
    this.#breaker = undefined;
    breaker?.succeeded(this.#generation, this.#startedMs);
  }

  fail(retryAfterMs?: number): void {
    const breaker = this.#breaker;
    this.#breaker = undefined;
    breaker?.failed(this.#generation, this.#startedMs, retryAfterMs);
  }

  ignore(): void {
    const breaker = this.#breaker;
    this.#breaker = undefined;
    breaker?.ignored(this.#generation);
  }
}

/** @throws RangeError for options that make no sense */
export const createBreaker = (options: BreakerOptions, dependencies: BreakerDependencies): Breaker =>
  new BreakerCore(breakerSettings(options), dependencies);
