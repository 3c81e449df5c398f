/**
 * Circuit breaker. Closed, it admits calls and counts their outcomes. Open, it rejects calls until its
 * timeout. Half-open, it admits one leased probe at a time. Each change of state starts a generation;
 * outcomes of earlier ones are ignored.
 *
 * Decisions are synchronous, in constant time and memory, without timers or promises.
 */
import { CallWindow } from "./window.ts";

export const BREAKER_STATES = ["closed", "open", "half_open"] as const;
export type BreakerState = (typeof BREAKER_STATES)[number];

export type TransitionReason =
  | "consecutive_failures"
  | "failure_ratio"
  | "slow_ratio"
  /** The dependency asked for a pause. */
  | "pushback"
  /** The open time is over. */
  | "timeout"
  | "probe_failed"
  /** The lease of a probe expired. */
  | "probe_lost"
  /** Enough probes succeeded. */
  | "recovered";

export interface Transition {
  readonly from: BreakerState;
  readonly to: BreakerState;
  readonly reason: TransitionReason;
  readonly atMs: number;
}

/**
 * Any response is a success, even a refusal such as a 4xx or a violated constraint. Ignored calls are no
 * evidence about the dependency: the caller left, or nothing was sent.
 */
export type Outcome = "failure" | "success" | "ignored";

export class BreakerOpenError extends Error {
  override readonly name = "BreakerOpenError";
  /** On the breaker's clock. */
  readonly retryAtMs: number;

  constructor(retryAtMs: number) {
    super("the circuit breaker is open");
    this.retryAtMs = retryAtMs;
  }
}

export interface BreakerDependencies {
  /** Non-negative milliseconds; the clock may be set back. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  /** Called synchronously; its exceptions reach the caller of the breaker. */
  readonly onTransition?: (transition: Transition) => void;
}

export interface Rejection {
  readonly granted: false;
  /** When to try again, on the breaker's clock. */
  readonly retryAtMs: number;
}

/** Permission to make one call. */
export type Permit = Pick<CallPermit, "granted" | "ok" | "fail" | "ignore">;

export type Breaker = Readonly<
  Pick<CircuitBreaker, "tryAcquire" | "run" | "probeNow" | "probeInMs" | "state" | "rejections">
>;

/** Thresholds are at least 1, durations positive, ratios above 0 and at most 1. */
const DEFAULTS = {
  /** Consecutive failures that open it. */
  failureThreshold: 5,
  /** Successful probes that close it. */
  successThreshold: 3,
  /** Upper bound of the first open time, doubled each time, with full jitter. */
  timeoutMs: 1_000,
  /** Upper bound of every open time, pushback included. */
  maxTimeoutMs: 60_000,
  /** Lease of a probe, which then counts as failed. */
  halfOpenTimeoutMs: 5_000,
  /** Calls in the window below which ratios are ignored. */
  minimumCalls: 20,
  /** Ratio of failures in the window that opens it. */
  failureRatio: 0.5,
  /** Ratio of slow calls in the window that opens it. */
  slowRatio: 0.8,
  /** Time after closing during which the ratio of admitted calls grows to 1; 0 for none. */
  rampMs: 10_000,
  /** Ratio of admitted calls at the start of the ramp. */
  rampFrom: 0.1,
};

interface BreakerSettings extends Readonly<typeof DEFAULTS> {
  /** Duration from which a call is slow. @default none is */
  readonly slowCallMs?: number | undefined;
}

export type BreakerOptions = Partial<BreakerSettings>;

/** Retry hint for calls that the ramp rejects. */
const RAMP_RETRY_MS = 1_000;
/** Keeps the exponential backoff finite. */
const MAX_EXPONENT = 30;

class CircuitBreaker {
  readonly #settings: BreakerSettings;
  readonly #dependencies: BreakerDependencies;
  readonly #window = new CallWindow();
  /** An open breaker becomes half-open with the first call after its open time. */
  state: BreakerState = "closed";
  /** Rejected calls since creation. */
  rejections = 0;
  #generation = 0;
  /** End of the open time, or of the probe's lease. */
  #untilMs = 0;
  #error: BreakerOpenError | undefined;
  /** Upper bound of the current open time, or the current lease. */
  #maxWaitMs = 0;
  /** Openings since the breaker was last closed for longer than its ramp. */
  #openings = 0;
  /** Start of the ramp; negative infinity once it is over. */
  #closedAtMs = Number.NEGATIVE_INFINITY;
  /** Calls that the ramp may admit. */
  #rampCredit = 1;
  #consecutiveFailures = 0;
  #isProbing = false;
  #successfulProbes = 0;

  constructor(options: BreakerOptions, dependencies: BreakerDependencies) {
    this.#settings = { ...DEFAULTS, ...options };
    this.#dependencies = dependencies;
  }

  /** The caller must settle the permit. @param leaseMs extends a probe's lease beyond the usual */
  tryAcquire(leaseMs = 0): Permit | Rejection {
    const isClosed = this.state === "closed";
    const isTimed = this.#settings.slowCallMs !== undefined;
    // Reading the clock is most of the cost of a call.
    if (isClosed && !isTimed && this.#closedAtMs === Number.NEGATIVE_INFINITY) return this.#admit(0);
    const nowMs = this.#dependencies.now();
    if (isClosed) return this.#acquireClosed(nowMs);
    if (this.state === "open") {
      if (this.#isWaiting(nowMs)) return this.#reject();
      this.#enter("half_open", "timeout", nowMs);
    } else if (this.#isProbing) {
      if (!this.#isWaiting(nowMs)) this.#open("probe_lost", nowMs);
      return this.#reject();
    }
    this.#isProbing = true;
    this.#maxWaitMs = Math.max(leaseMs, this.#settings.halfOpenTimeoutMs);
    this.#untilMs = nowMs + this.#maxWaitMs;
    return this.#admit(nowMs);
  }

  /** @param classify receives the call's error @throws BreakerOpenError, or the call's error */
  async run<T>(call: () => Promise<T>, classify: (error: unknown) => Outcome): Promise<T> {
    const permit = this.tryAcquire();
    if (!permit.granted) throw this.#openError(permit.retryAtMs);
    try {
      const result = await call();
      permit.ok();
      return result;
    } catch (error) {
      const outcome = classify(error);
      if (outcome === "success") permit.ok();
      else if (outcome === "failure") permit.fail();
      else permit.ignore();
      throw error;
    }
  }

  /** Ends the open time early, because the dependency is likely to be back. */
  probeNow(): void {
    if (this.state === "open") this.#untilMs = Number.NEGATIVE_INFINITY;
  }

  /** Until the open time ends, milliseconds; 0 if it has ended, and if the breaker is not open. */
  get probeInMs(): number {
    if (this.state !== "open") return 0;
    const nowMs = this.#dependencies.now();
    return this.#isWaiting(nowMs) ? this.#untilMs - nowMs : 0;
  }

  settle(outcome: Outcome, generation: number, startedMs: number, retryAfterMs: number): void {
    if (generation !== this.#generation) return;
    this.#isProbing = false;
    if (outcome === "ignored") return;
    const isFailure = outcome === "failure";
    const nowMs = this.#dependencies.now();
    const isSlow = nowMs - startedMs >= (this.#settings.slowCallMs ?? Number.POSITIVE_INFINITY);
    if (retryAfterMs > 0) this.#open("pushback", nowMs, retryAfterMs);
    else if (this.state === "half_open") this.#countProbe(isFailure || isSlow, nowMs);
    else this.#count(isFailure, isSlow, nowMs);
  }

  #admit(startedMs: number): CallPermit {
    return new CallPermit(this, this.#generation, startedMs);
  }

  #reject(retryAtMs = this.#untilMs): Rejection {
    this.rejections += 1;
    return { granted: false, retryAtMs };
  }

  /** False if the time left exceeds any wait that was set, because the clock was set back. */
  #isWaiting(nowMs: number): boolean {
    const leftMs = this.#untilMs - nowMs;
    return leftMs > 0 && leftMs <= this.#maxWaitMs;
  }

  /** Capturing the stack is nearly the whole cost of a rejection, so equal rejections share one error. */
  #openError(retryAtMs: number): BreakerOpenError {
    if (this.#error?.retryAtMs !== retryAtMs) this.#error = new BreakerOpenError(retryAtMs);
    return this.#error;
  }

  /** Admits every call, but on the ramp only a growing ratio of them, evenly spaced. */
  #acquireClosed(nowMs: number): CallPermit | Rejection {
    const { rampMs, rampFrom } = this.#settings;
    const elapsedMs = Math.max(0, nowMs - this.#closedAtMs);
    if (elapsedMs >= rampMs) {
      this.#closedAtMs = Number.NEGATIVE_INFINITY;
      return this.#admit(nowMs);
    }
    this.#rampCredit += rampFrom + ((1 - rampFrom) * elapsedMs) / rampMs;
    if (this.#rampCredit < 1) return this.#reject(nowMs + RAMP_RETRY_MS);
    this.#rampCredit -= 1;
    return this.#admit(nowMs);
  }

  #count(isFailure: boolean, isSlow: boolean, nowMs: number): void {
    this.#consecutiveFailures = isFailure ? this.#consecutiveFailures + 1 : 0;
    this.#window.add(nowMs, isFailure, isSlow);
    if (!(isFailure || isSlow)) return;
    const { failureThreshold, minimumCalls, failureRatio, slowRatio } = this.#settings;
    const { calls, failures, slow } = this.#window.totals();
    if (this.#consecutiveFailures >= failureThreshold) this.#open("consecutive_failures", nowMs);
    else if (calls < minimumCalls) return;
    else if (failures / calls >= failureRatio) this.#open("failure_ratio", nowMs);
    else if (slow / calls >= slowRatio) this.#open("slow_ratio", nowMs);
  }

  #countProbe(isFailure: boolean, nowMs: number): void {
    this.#successfulProbes += 1;
    if (isFailure) this.#open("probe_failed", nowMs);
    else if (this.#successfulProbes >= this.#settings.successThreshold)
      this.#enter("closed", "recovered", nowMs);
  }

  #open(reason: TransitionReason, nowMs: number, retryAfterMs?: number): void {
    const { timeoutMs, maxTimeoutMs, rampMs } = this.#settings;
    if (this.state === "closed" && nowMs - this.#closedAtMs >= rampMs) this.#openings = 0;
    const backoffMs = Math.min(timeoutMs * 2 ** Math.min(this.#openings, MAX_EXPONENT), maxTimeoutMs);
    // Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    const openMs = retryAfterMs ?? this.#dependencies.random() * backoffMs;
    this.#openings += 1;
    this.#maxWaitMs = maxTimeoutMs;
    this.#untilMs = nowMs + Math.min(openMs, maxTimeoutMs);
    this.#enter("open", reason, nowMs);
  }

  #enter(to: BreakerState, reason: TransitionReason, atMs: number): void {
    const from = this.state;
    this.state = to;
    this.#generation += 1;
    this.#isProbing = false;
    this.#successfulProbes = 0;
    if (to === "closed") {
      this.#closedAtMs = atMs;
      this.#rampCredit = 1;
      this.#consecutiveFailures = 0;
      this.#window.clear();
    }
    this.#dependencies.onTransition?.({ from, to, reason, atMs });
  }
}

/** Only the first outcome counts. */
class CallPermit {
  readonly granted = true;
  readonly #generation: number;
  readonly #startedMs: number;
  /** Undefined once the permit is settled. */
  #breaker: CircuitBreaker | undefined;

  /** @param startedMs 0 if the duration of the call does not matter */
  constructor(breaker: CircuitBreaker, generation: number, startedMs: number) {
    this.#breaker = breaker;
    this.#generation = generation;
    this.#startedMs = startedMs;
  }

  ok(): void {
    this.settle("success");
  }

  /** @param retryAfterMs pause that the dependency asked for */
  fail(retryAfterMs?: number): void {
    this.settle("failure", retryAfterMs);
  }

  ignore(): void {
    this.settle("ignored");
  }

  settle(outcome: Outcome, retryAfterMs = 0): void {
    const breaker = this.#breaker;
    this.#breaker = undefined;
    breaker?.settle(outcome, this.#generation, this.#startedMs, retryAfterMs);
  }
}

/** @param options are not validated */
export const createBreaker = (options: BreakerOptions, dependencies: BreakerDependencies): Breaker =>
  new CircuitBreaker(options, dependencies);
