/**
 * How slow an origin is at present: a mean that follows faster where it gets worse than where it gets better. The
 * peak-EWMA of Finagle's `p2c` balancer (https://twitter.github.io/finagle/guide/Clients.html) goes all the way up at
 * once; then one slow answer of many makes equal origins unequal for as long as the mean remembers, which is most of
 * the time. A few samples tell as well one that has got slow. Reading changes nothing.
 */

/** A sample counts for so much at least, however many there are: of a higher latency, and of a lower one. */
const RISING_WEIGHT = 0.25;
const FALLING_WEIGHT = 0.1;
/** So often twice as long as it took at least, where it never answers. */
const MAX_DOUBLINGS = 12;

export class PeakLatency {
  readonly #memoryMs: number;
  #ms: number | undefined;
  #atMs = 0;
  /** How often in a row nobody has waited for its answer. */
  #outrun = 0;

  /** @param memoryMs after so long a sample counts for 1/e at most */
  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs;
  }

  /** Undefined before the first sample. */
  get ms(): number | undefined {
    return this.#ms;
  }

  observe(latencyMs: number, nowMs: number): void {
    const oldMs = this.#ms ?? latencyMs;
    // Where the clock is set back no time has passed.
    const elapsedWeight = 1 - Math.exp(-Math.max(0, nowMs - this.#atMs) / this.#memoryMs);
    const weight = Math.max(elapsedWeight, latencyMs > oldMs ? RISING_WEIGHT : FALLING_WEIGHT);
    this.replace(oldMs + (latencyMs - oldMs) * weight, nowMs);
  }

  /** What is known is too old: what is found now takes its place. */
  replace(latencyMs: number, nowMs: number): void {
    this.#ms = latencyMs;
    this.#atMs = nowMs;
    this.#outrun = 0;
  }

  /**
   * It has not answered for so long, and will not be heard: another one was faster. Each time in a row it counts twice
   * as long, since one that never answers is never measured otherwise.
   */
  outrun(elapsedMs: number, nowMs: number, mostMs: number): void {
    const streak = this.#outrun + 1;
    const atLeastMs = Math.min(elapsedMs * 2 ** Math.min(streak - 1, MAX_DOUBLINGS), mostMs);
    if (atLeastMs > (this.#ms ?? 0)) this.observe(atLeastMs, nowMs);
    this.#outrun = streak;
  }
}
