/** The load of an endpoint: requests in flight, and mean latency. */

const PERIOD_MS = 30_000;

/** Number of requests in flight. Each expires after 1–2 periods, because Workers end without notice. */
export class InFlight {
  #period = 0;
  #current = 0;
  #previous = 0;

  count(nowMs: number): number {
    this.#advance(nowMs);
    return this.#current + this.#previous;
  }

  /** @returns the argument for `leave` */
  enter(nowMs: number): number {
    this.#advance(nowMs);
    this.#current += 1;
    return this.#period;
  }

  leave(period: number): void {
    if (period === this.#period) this.#current -= 1;
    else if (period === this.#period - 1) this.#previous -= 1;
  }

  /** If the clock is set back, the current period lasts until it has caught up. */
  #advance(nowMs: number): void {
    const period = Math.floor(nowMs / PERIOD_MS);
    if (period <= this.#period) return;
    this.#previous = period === this.#period + 1 ? this.#current : 0;
    this.#current = 0;
    this.#period = period;
  }
}

/** Minimum weight of a sample that is above, or below, the mean. */
const RISING_WEIGHT = 0.25;
const FALLING_WEIGHT = 0.1;
/** Keeps the estimate finite for an endpoint that never answers. */
const MAX_DOUBLINGS = 12;
/** Time constant of latencies and penalties, which then count for 1/e. */
export const DECAY_MS = 10_000;

/**
 * Mean latency that rises faster than it falls. Unlike the peak-EWMA of Finagle's `p2c` balancer
 * (https://twitter.github.io/finagle/guide/Clients.html) it takes a few samples to rise, so that one slow
 * response does not make equal endpoints unequal.
 */
export class PeakEwma {
  /** Undefined before the first sample. */
  ms: number | undefined;
  #updatedAtMs = 0;
  #hedgesLost = 0;

  observe(latencyMs: number, nowMs: number): void {
    const oldMs = this.ms ?? latencyMs;
    // If the clock is set back, no time has passed.
    const elapsedWeight = 1 - Math.exp(-Math.max(0, nowMs - this.#updatedAtMs) / DECAY_MS);
    const weight = Math.max(elapsedWeight, latencyMs > oldMs ? RISING_WEIGHT : FALLING_WEIGHT);
    this.reset(oldMs + (latencyMs - oldMs) * weight, nowMs);
  }

  reset(latencyMs: number, nowMs: number): void {
    this.ms = latencyMs;
    this.#updatedAtMs = nowMs;
    this.#hedgesLost = 0;
  }

  /** Each loss in a row counts for twice as long, because a dead endpoint has no other samples. */
  hedgeLost(elapsedMs: number, nowMs: number, maxMs: number): void {
    const hedgesLost = this.#hedgesLost;
    const atLeastMs = Math.min(elapsedMs * 2 ** Math.min(hedgesLost, MAX_DOUBLINGS), maxMs);
    if (atLeastMs > (this.ms ?? 0)) this.observe(atLeastMs, nowMs);
    this.#hedgesLost = hedgesLost + 1;
  }
}
