/** The load of one endpoint: its requests under way, and its mean latency. */

const PERIOD_MS = 30_000;

/**
 * Number of requests under way. A platform may end a request without notice, so requests that do not end are forgotten
 * after one to two periods.
 */
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
/** Keeps the estimate of an endpoint that never answers finite. */
const MAX_DOUBLINGS = 12;
/** Time constant of latencies and penalties: after it, they count for 1/e. */
export const DECAY_MS = 10_000;

/**
 * Mean latency that rises faster than it falls. The peak-EWMA of Finagle's `p2c` balancer
 * (https://twitter.github.io/finagle/guide/Clients.html) rises to the peak at once, so that one slow response makes equal
 * endpoints unequal for most of the time. A few samples are enough to detect a slow endpoint. Reading changes nothing.
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

  /**
   * Another attempt was faster, and this one is cancelled after `elapsedMs`. Each one in a row counts for twice as long,
   * because an endpoint that never answers has no other samples.
   */
  hedgeLost(elapsedMs: number, nowMs: number, maxMs: number): void {
    const hedgesLost = this.#hedgesLost;
    const atLeastMs = Math.min(elapsedMs * 2 ** Math.min(hedgesLost, MAX_DOUBLINGS), maxMs);
    if (atLeastMs > (this.ms ?? 0)) this.observe(atLeastMs, nowMs);
    this.#hedgesLost = hedgesLost + 1;
  }
}
