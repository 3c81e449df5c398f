/**
 * The latencies of a route, as a histogram that forgets: quantiles within a tenth, in constant time and memory.
 * Buckets grow by a constant factor, as in HdrHistogram and DDSketch (Masson, Rim, Lee 2019).
 */

/** Eight buckets for each doubling: a value is known within 9 %. */
const BUCKETS_PER_DOUBLING = 8;
/** Up to 2¹⁹ ms, beyond which nobody waits. */
const BUCKETS = 19 * BUCKETS_PER_DOUBLING + 1;
/** With so many, all counts are halved: what was long ago counts for less and less. */
const MOST = 512;
/** With fewer, a quantile says nothing. */
export const FEWEST_SAMPLES = 20;
/** Quantiles are found anew after so many samples. */
const READ_EVERY = 8;

const bucketOf = (ms: number): number =>
  Math.min(BUCKETS - 1, Math.max(0, Math.ceil(Math.log2(Math.max(ms, 1)) * BUCKETS_PER_DOUBLING)));

/** The upper end of a bucket. */
const upperMs = (bucket: number): number => 2 ** (bucket / BUCKETS_PER_DOUBLING);

export class LatencyHistogram {
  readonly #counts = new Float32Array(BUCKETS);
  #total = 0;
  #untilRead = 0;
  #medianMs: number | undefined;
  #p95Ms: number | undefined;

  add(latencyMs: number): void {
    const bucket = bucketOf(latencyMs);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total += 1;
    if (this.#total >= MOST) this.#halve();
    this.#untilRead -= 1;
    if (this.#untilRead > 0 || this.#total < FEWEST_SAMPLES) return;
    this.#untilRead = READ_EVERY;
    this.#medianMs = this.#quantile(0.5);
    this.#p95Ms = this.#quantile(0.95);
  }

  /** Milliseconds, at most READ_EVERY samples old; undefined while too little is known. */
  get medianMs(): number | undefined {
    return this.#medianMs;
  }

  get p95Ms(): number | undefined {
    return this.#p95Ms;
  }

  #quantile(share: number): number {
    let left = this.#total * share;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      left -= this.#counts[bucket] ?? 0;
      if (left <= 0) return upperMs(bucket);
    }
    return upperMs(BUCKETS - 1);
  }

  #halve(): void {
    this.#total = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      const half = (this.#counts[bucket] ?? 0) / 2;
      this.#counts[bucket] = half;
      this.#total += half;
    }
  }
}
