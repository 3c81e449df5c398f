/**
 * A circuit breaker. It decides synchronously, keeps no timer and no promise, takes the same time and memory
 * however many calls there were, and holds nothing of a caller's: the clock and the random source are passed in.
 *
 * Closed, it lets calls through and counts them. Open, it rejects them until its time is over. Half-open, it lets one
 * probe through at a time, each for the time of its lease. Every change of state begins a generation; a result of an
 * earlier one changes nothing.
 */
import { type BreakerOptions, type BreakerSettings, breakerSettings } from "./options.ts";
import { CallWindow } from "./window.ts";

export type BreakerState = "closed" | "open" | "half_open";

/** Why it changed. */
export type TransitionReason =
  /** Too many failures one after another. */
  | "consecutive_failures"
  /** Too large a share of failures in the window. */
  | "failure_ratio"
  /** Too large a share of slow calls in the window. */
  | "slow_ratio"
  /** The dependency itself asked for a pause. */
  | "pushback"
  /** The time that it was to be open is over. */
  | "timeout"
  /** A probe failed. */
  | "probe_failed"
  /** A probe did not come back within its lease. */
  | "probe_lost"
  /** Enough probes succeeded. */
  | "recovered";

export interface Transition {
  readonly from: BreakerState;
  readonly to: BreakerState;
  readonly reason: TransitionReason;
  readonly atMs: number;
}

export interface BreakerDependencies {
  /** Within [0, 1). */
  readonly random: () => number;
  /** Told of every change of state, synchronously; what it throws is the caller's. */
  readonly onTransition?: (transition: Transition) => void;
}

/** Leave to make one call. The first result that it is told counts, and only that. */
export interface Permit {
  readonly granted: true;
  /** The dependency answered, whatever it answered. */
  ok(nowMs: number): void;
  /** The dependency failed. @param retryAfterMs for how long it asked not to be called */
  fail(nowMs: number, retryAfterMs?: number): void;
  /** The call says nothing of the dependency: its caller went away, say. */
  ignore(): void;
}

export interface Rejection {
  readonly granted: false;
  /** When it may be tried again, on the clock of `tryAcquire`. */
  readonly retryAtMs: number;
}

export interface Breaker {
  /** Leave to call, or when to ask again; decided at once. Who gets a permit settles it. */
  tryAcquire(nowMs: number): Permit | Rejection;
  /** Open until somebody asks after its time is over: only then it becomes half-open. */
  readonly state: BreakerState;
}

/** Rejected by the ramp, a caller may try again after so long, milliseconds. */
const RAMP_RETRY_MS = 1_000;
/** Beyond this exponent twice as long is above any limit. */
const MAX_EXPONENT = 30;

class BreakerCore implements Breaker {
  readonly #settings: BreakerSettings;
  readonly #random: () => number;
  readonly #onTransition: ((transition: Transition) => void) | undefined;
  readonly #window = new CallWindow();
  #state: BreakerState = "closed";
  #generation = 0;
  /** Closed: since when; before that there was nothing to recover from. */
  #closedAtMs = Number.NEGATIVE_INFINITY;
  #consecutiveFailures = 0;
  /** What the ramp has let up for the next call; 1 is enough for one. */
  #rampCredit = 1;
  /** Open: what everybody is told. */
  #rejection: Rejection = { granted: false, retryAtMs: 0 };
  /** How often it has opened since it was last well. */
  #openings = 0;
  /** Half-open: until when the one probe may take; undefined where there is none. */
  #leaseUntilMs: number | undefined;
  #successes = 0;

  constructor(settings: BreakerSettings, { random, onTransition }: BreakerDependencies) {
    this.#settings = settings;
    this.#random = random;
    this.#onTransition = onTransition;
  }

  get state(): BreakerState {
    return this.#state;
  }

  tryAcquire(nowMs: number): Permit | Rejection {
    switch (this.#state) {
      case "closed":
        return this.#passesRamp(nowMs)
          ? new CallPermit(this, this.#generation, nowMs)
          : { granted: false, retryAtMs: nowMs + RAMP_RETRY_MS };
      case "open": {
        const leftMs = this.#rejection.retryAtMs - nowMs;
        // More than the longest time is left only where the clock was set back.
        if (leftMs > 0 && leftMs <= this.#settings.maxTimeoutMs) return this.#rejection;
        this.#enter("half_open", "timeout", nowMs);
        return this.#probe(nowMs);
      }
      case "half_open": {
        if (this.#leaseUntilMs === undefined) return this.#probe(nowMs);
        const leftMs = this.#leaseUntilMs - nowMs;
        if (leftMs > 0 && leftMs <= this.#settings.halfOpenTimeoutMs) return this.#rejection;
        this.#open("probe_lost", nowMs);
        return this.#rejection;
      }
    }
  }

  succeeded(generation: number, nowMs: number, durationMs: number): void {
    if (generation !== this.#generation) return;
    const isSlow = durationMs >= this.#settings.slowCallMs;
    if (this.#state === "half_open") {
      this.#leaseUntilMs = undefined;
      if (isSlow) this.#open("probe_failed", nowMs);
      else this.#countProbe(nowMs);
    } else {
      this.#consecutiveFailures = 0;
      this.#window.add(nowMs, false, isSlow);
      if (isSlow) this.#openIfTooMany(nowMs);
    }
  }

  failed(generation: number, nowMs: number, durationMs: number, retryAfterMs: number | undefined): void {
    if (generation !== this.#generation) return;
    if (retryAfterMs !== undefined && retryAfterMs > 0) {
      this.#open("pushback", nowMs, retryAfterMs);
    } else if (this.#state === "half_open") {
      this.#open("probe_failed", nowMs);
    } else {
      this.#consecutiveFailures += 1;
      this.#window.add(nowMs, true, durationMs >= this.#settings.slowCallMs);
      this.#openIfTooMany(nowMs);
    }
  }

  ignored(generation: number): void {
    if (generation === this.#generation) this.#leaseUntilMs = undefined;
  }

  /** Whether the call is among the share that the ramp lets through; evenly spread, without chance. */
  #passesRamp(nowMs: number): boolean {
    const { rampMs, rampFrom } = this.#settings;
    const sinceMs = Math.max(0, nowMs - this.#closedAtMs);
    if (sinceMs >= rampMs) return true;
    this.#rampCredit += rampFrom + ((1 - rampFrom) * sinceMs) / rampMs;
    if (this.#rampCredit < 1) return false;
    this.#rampCredit -= 1;
    return true;
  }

  #probe(nowMs: number): Permit {
    this.#leaseUntilMs = nowMs + this.#settings.halfOpenTimeoutMs;
    this.#rejection = { granted: false, retryAtMs: this.#leaseUntilMs };
    return new CallPermit(this, this.#generation, nowMs);
  }

  #countProbe(nowMs: number): void {
    this.#successes += 1;
    if (this.#successes >= this.#settings.successThreshold) this.#enter("closed", "recovered", nowMs);
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
      this.#window.clear();
    }
    this.#onTransition?.({ from, to, reason, atMs });
  }
}

/** Small, because there is one for every call. */
class CallPermit implements Permit {
  readonly granted = true;
  readonly #generation: number;
  readonly #startedMs: number;
  /** Undefined once it is settled. */
  #breaker: BreakerCore | undefined;

  constructor(breaker: BreakerCore, generation: number, startedMs: number) {
    this.#breaker = breaker;
    this.#generation = generation;
    this.#startedMs = startedMs;
  }

  ok(nowMs: number): void {
    const breaker = this.#breaker;
    this.#breaker = undefined;
    breaker?.succeeded(this.#generation, nowMs, nowMs - this.#startedMs);
  }

  fail(nowMs: number, retryAfterMs?: number): void {
    const breaker = this.#breaker;
    this.#breaker = undefined;
    breaker?.failed(this.#generation, nowMs, nowMs - this.#startedMs, retryAfterMs);
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
