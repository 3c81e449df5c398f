/**
 * Retries and hedged requests ("The Tail at Scale", Dean, Barroso, CACM 56(2), 2013): which requests may be sent more than
 * once, after which delay, and how many of them. Delays follow the latencies of the route.
 */
import type { Retry } from "../contract/policy.ts";

export type RetryMode =
  /** Safe: several attempts may run at the same time. */
  | "hedge"
  /** Idempotent: attempts may follow one another. */
  | "retry"
  /** Only if the last attempt is known not to have been executed. */
  | "never";

/** By the method (RFC 9110 §9.2) and the policy of the route. */
export const retryModeOf = (method: string, retry: Retry | undefined, hasKey: boolean): RetryMode => {
  if (["GET", "HEAD", "OPTIONS"].includes(method)) return retry === "never" ? "never" : "hedge";
  if (["PUT", "DELETE"].includes(method)) return retry === "idempotent" ? "retry" : "never";
  return retry === "with-key" && hasKey ? "retry" : "never";
};

/** Buckets grow by a constant factor, as in HdrHistogram and DDSketch (Masson, Rim, Lee 2019): within 9 %. */
const BUCKETS_PER_DOUBLING = 8;
/** Up to 2¹⁹ ms. */
const BUCKETS = 19 * BUCKETS_PER_DOUBLING + 1;
/** At this number of samples all counts are halved, so that old samples fade. */
const MAX_SAMPLES = 512;
/** Below this number of samples there are no quantiles. */
export const MIN_SAMPLES = 20;
/** Samples between updates of the quantiles. */
const UPDATE_EVERY = 8;

/** Latencies of a route: a histogram that fades, in constant time and memory. */
export class LatencyHistogram {
  #counts = new Float32Array(BUCKETS);
  #total = 0;
  #samplesUntilUpdate = 0;
  /** Milliseconds; undefined below MIN_SAMPLES. */
  medianMs: number | undefined;
  p95Ms: number | undefined;

  add(latencyMs: number): void {
    const exact = Math.ceil(Math.log2(Math.max(latencyMs, 1)) * BUCKETS_PER_DOUBLING);
    const bucket = Math.min(BUCKETS - 1, exact);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total += 1;
    if (this.#total >= MAX_SAMPLES) {
      this.#counts = this.#counts.map((count) => count / 2);
      this.#total /= 2;
    }
    this.#samplesUntilUpdate -= 1;
    if (this.#samplesUntilUpdate > 0 || this.#total < MIN_SAMPLES) return;
    this.#samplesUntilUpdate = UPDATE_EVERY;
    this.medianMs = this.#quantile(0.5);
    this.p95Ms = this.#quantile(0.95);
  }

  /** Upper end of the bucket that contains the quantile. */
  #quantile(ratio: number): number {
    let left = this.#total * ratio;
    const bucket = this.#counts.findIndex((count) => {
      left -= count;
      return left <= 0;
    });
    return 2 ** ((bucket < 0 ? BUCKETS - 1 : bucket) / BUCKETS_PER_DOUBLING);
  }
}

/** Next attempt of a request that has no response yet; times are on the caller's clock. */
export interface Plan {
  readonly next: "hedge" | "retry";
  readonly atMs: number;
}

export interface PendingRequest {
  readonly retryMode: RetryMode;
  readonly deadlineAtMs: number;
  /** Of its route. */
  readonly latencies: LatencyHistogram;
}

/** A response that takes this multiple of the 95th percentile is taken for lost. */
const LOST_FACTOR = 4;
/** Lower bound of that time, for fast routes. */
const MIN_LOST_MS = 250;

/** When to retry without waiting for a response: beside the attempt of a safe request, else instead of it. */
export const planRetry = (
  { retryMode, deadlineAtMs, latencies: { p95Ms } }: PendingRequest,
  nowMs: number,
): Plan | undefined => {
  const halfMs = (deadlineAtMs - nowMs) / 2;
  const lostMs = p95Ms === undefined ? Number.POSITIVE_INFINITY : LOST_FACTOR * p95Ms;
  if (retryMode === "hedge")
    return { next: "retry", atMs: nowMs + Math.min(Math.max(lostMs, MIN_LOST_MS), halfMs) };
  // The attempt will be cancelled, so wait for as long as possible.
  return retryMode === "retry" && lostMs < halfMs ? { next: "retry", atMs: nowMs + halfMs } : undefined;
};

/** What follows the first attempt: for a safe request, a hedge after the 95th percentile. */
export const planHedge = (request: PendingRequest, mayHedge: boolean, nowMs: number): Plan | undefined => {
  const { p95Ms } = request.latencies;
  return mayHedge && request.retryMode === "hedge" && p95Ms !== undefined
    ? { next: "hedge", atMs: nowMs + p95Ms }
    : planRetry(request, nowMs);
};

export interface RetryBudgetOptions {
  /** Retries per request. */
  readonly ratio: number;
  /** Retries per second, independent of the traffic. @default 0 */
  readonly perSecond?: number;
  /** Maximum balance. */
  readonly max: number;
  /** @default max */
  readonly initial?: number;
}

export interface RetryBudget {
  /** Call once per request. */
  deposit(): void;
  /** Takes one retry, if there is one. */
  withdraw(nowMs: number): boolean;
  /** Returns a retry that was not used. */
  refund(): void;
}

/**
 * Retry budget: each request deposits a fraction of a retry, each retry withdraws one. A fixed number of retries per
 * request multiplies the load of an outage; a budget cannot. As in Finagle and tower
 * (https://docs.rs/tower/latest/tower/retry/budget/index.html). Hedges use one, too.
 */
export const createRetryBudget = ({
  ratio,
  perSecond = 0,
  max,
  initial = max,
}: RetryBudgetOptions): RetryBudget => {
  let balance = initial;
  let updatedAtMs: number | undefined;
  const add = (retries: number): void => {
    balance = Math.min(max, balance + retries);
  };
  return {
    deposit: () => add(ratio),
    withdraw: (nowMs) => {
      // If the clock is set back, no time has passed.
      add((perSecond * Math.max(0, nowMs - (updatedAtMs ?? nowMs))) / 1_000);
      updatedAtMs = nowMs;
      if (balance < 1) return false;
      balance -= 1;
      return true;
    },
    refund: () => add(1),
  };
};
