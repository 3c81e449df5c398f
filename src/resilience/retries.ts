/**
 * Retries and hedged requests ("The Tail at Scale", Dean, Barroso, CACM 56(2), 2013): which requests may be
 * sent again, after which delay, and how many of them. Delays follow the route's latencies.
 */
import type { Retry } from "../contract/policy.ts";

export type RetryMode =
  /** Safe: attempts may run in parallel. */
  | "hedge"
  /** Idempotent: attempts may follow one another. */
  | "retry"
  /** Only if the last attempt is known not to have been executed. */
  | "never";

/** RFC 9110 §9.2.1, without TRACE. */
export const isSafe = (method: string): boolean => ["GET", "HEAD", "OPTIONS"].includes(method);

/** By the method (RFC 9110 §9.2) and the route's policy. @param hasKey whether there is an Idempotency-Key */
export const retryModeOf = (method: string, retry: Retry | undefined, hasKey: boolean): RetryMode => {
  if (isSafe(method)) return retry === "never" ? "never" : "hedge";
  if (["PUT", "DELETE"].includes(method)) return retry === "idempotent" ? "retry" : "never";
  return retry === "with-key" && hasKey ? "retry" : "never";
};

/** Buckets grow by a constant factor, as in DDSketch (Masson, Rim, Lee 2019): the error is at most 9 %. */
const BUCKETS_PER_DOUBLING = 8;
/** Up to 2¹⁹ ms. */
const BUCKETS = 19 * BUCKETS_PER_DOUBLING + 1;
/** At this number of samples all counts are halved, so that old samples fade. */
const MAX_SAMPLES = 512;
/** Below this number of samples there are no quantiles. */
export const MIN_SAMPLES = 20;

/** A route's recent latencies, in constant time and memory. */
export class LatencyHistogram {
  #counts = new Float32Array(BUCKETS);
  #total = 0;

  add(latencyMs: number): void {
    const exact = Math.ceil(Math.log2(Math.max(latencyMs, 1)) * BUCKETS_PER_DOUBLING);
    const bucket = Math.min(BUCKETS - 1, exact);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total += 1;
    if (this.#total >= MAX_SAMPLES) {
      this.#counts = this.#counts.map((count) => count / 2);
      this.#total /= 2;
    }
  }

  /** Milliseconds; undefined below `MIN_SAMPLES`. */
  get medianMs(): number | undefined {
    return this.#quantile(0.5);
  }

  get p95Ms(): number | undefined {
    return this.#quantile(0.95);
  }

  /** Upper end of the bucket that contains the quantile. */
  #quantile(ratio: number): number | undefined {
    if (this.#total < MIN_SAMPLES) return undefined;
    let left = this.#total * ratio;
    let bucket = 0;
    for (; bucket < BUCKETS - 1; bucket += 1) {
      left -= this.#counts[bucket] ?? 0;
      if (left <= 0) break;
    }
    return 2 ** (bucket / BUCKETS_PER_DOUBLING);
  }
}

/** The next attempt of a request without a response; `atMs` is on the caller's clock. */
export interface Plan {
  readonly next: "hedge" | "retry";
  readonly atMs: number;
}

export interface PendingRequest {
  readonly retryMode: RetryMode;
  readonly deadlineAtMs: number;
  /** Latencies of its route. */
  readonly latencies: LatencyHistogram;
}

/** A response is assumed lost after this multiple of the 95th percentile. */
const LOST_FACTOR = 4;
/** Lower bound of that time, for fast routes. */
const MIN_LOST_MS = 250;

/** When to retry without a response: in parallel to the attempt if the request is safe, else in its place. */
export const planRetry = (
  { retryMode, deadlineAtMs, latencies: { p95Ms } }: PendingRequest,
  nowMs: number,
): Plan | undefined => {
  const halfMs = (deadlineAtMs - nowMs) / 2;
  const lostMs = p95Ms === undefined ? Number.POSITIVE_INFINITY : LOST_FACTOR * p95Ms;
  if (retryMode === "hedge")
    return { next: "retry", atMs: nowMs + Math.min(Math.max(lostMs, MIN_LOST_MS), halfMs) };
  // The retry cancels the attempt, so it waits as long as possible.
  return retryMode === "retry" && lostMs < halfMs ? { next: "retry", atMs: nowMs + halfMs } : undefined;
};

/** The plan after the first attempt: for a safe request, a hedge after the 95th percentile. */
export const planHedge = (request: PendingRequest, mayHedge: boolean, nowMs: number): Plan | undefined => {
  const { p95Ms } = request.latencies;
  return mayHedge && request.retryMode === "hedge" && p95Ms !== undefined
    ? { next: "hedge", atMs: nowMs + p95Ms }
    : planRetry(request, nowMs);
};

interface RetryBudgetOptions {
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
  /** Takes one retry, if the balance allows it. */
  withdraw(nowMs: number): boolean;
  /** Returns an unused retry. */
  refund(): void;
}

/**
 * Retry budget as in Finagle and tower (https://docs.rs/tower/latest/tower/retry/budget/index.html): each
 * request deposits a fraction of a retry, each retry withdraws one. A fixed number of retries per request
 * would multiply an outage's load.
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
