/** Minimum weight of a sample that is above, or below, the mean. */
const RISING_WEIGHT = 0.25;
const FALLING_WEIGHT = 0.1;
/** Keeps the estimate of an endpoint that never answers finite. */
const MAX_DOUBLINGS = 12;

/**
 * Mean latency that rises faster than it falls. The peak-EWMA of Finagle's `p2c` balancer
 * (https://twitter.github.io/finagle/guide/Clients.html) rises to the peak at once, so that one slow response makes equal
 * endpoints unequal for most of the time. A few samples are enough to detect a slow endpoint. Reading changes nothing.
 */
export class PeakEwma {
  readonly #decayMs: number;
  /** Undefined before the first sample. */
  ms: number | undefined;
  #updatedAtMs = 0;
  #hedgesLost = 0;

  /** @param decayMs after this time a sample counts for 1/e at most */
  constructor(decayMs: number) {
    this.#decayMs = decayMs;
  }

  observe(latencyMs: number, nowMs: number): void {
    const oldMs = this.ms ?? latencyMs;
    // If the clock is set back, no time has passed.
    const elapsedWeight = 1 - Math.exp(-Math.max(0, nowMs - this.#updatedAtMs) / this.#decayMs);
    const weight = Math.max(elapsedWeight, latencyMs > oldMs ? RISING_WEIGHT : FALLING_WEIGHT);
    this.reset(oldMs + (latencyMs - oldMs) * weight, nowMs);
  }

  /** Forgets earlier samples. */
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
