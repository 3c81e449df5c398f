/**
 * How slow an origin is at present: a mean that follows at once where it gets worse, and slowly where it gets better
 * (peak-EWMA, as in Finagle's `p2c` balancer, https://twitter.github.io/finagle/guide/Clients.html). Reading it changes
 * nothing.
 */

/** So often twice as long as it took at least, where it never answers. */
const MAX_DOUBLINGS = 12;

export class PeakLatency {
  readonly #memoryMs: number;
  #ms: number | undefined;
  #atMs = 0;
  /** How often in a row nobody has waited for its answer. */
  #outrun = 0;

  /** @param memoryMs after so long a sample counts for 1/e */
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
    const weight = Math.exp(-Math.max(0, nowMs - this.#atMs) / this.#memoryMs);
    this.#set(latencyMs > oldMs ? latencyMs : oldMs * weight + latencyMs * (1 - weight), nowMs);
    this.#outrun = 0;
  }

  /** What is known is too old: what is found now takes its place. */
  replace(latencyMs: number, nowMs: number): void {
    this.#set(latencyMs, nowMs);
    this.#outrun = 0;
  }

  /**
   * It has not answered for so long, and will not be heard: another one was faster. Each time in a row it counts twice
   * as long, since one that never answers is never measured otherwise.
   */
  outrun(elapsedMs: number, nowMs: number, mostMs: number): void {
    const atLeastMs = elapsedMs * 2 ** Math.min(this.#outrun, MAX_DOUBLINGS);
    this.#outrun += 1;
    this.#set(Math.max(this.#ms ?? 0, Math.min(atLeastMs, mostMs)), nowMs);
  }

  #set(ms: number, nowMs: number): void {
    this.#ms = ms;
    this.#atMs = nowMs;
  }
}
