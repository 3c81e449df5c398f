/**
 * Counts of the last ten seconds, in a ring of one-second buckets. Buckets expire with time, not with calls, so an idle
 * dependency has an empty window.
 */

const BUCKETS = 10;
const BUCKET_MS = 1_000;

const increment = (ring: Uint32Array, bucket: number): void => {
  ring[bucket] = (ring[bucket] ?? 0) + 1;
};

const sum = (ring: Uint32Array): number => ring.reduce((total, count) => total + count, 0);

export class CallWindow {
  readonly #calls = new Uint32Array(BUCKETS);
  readonly #failures = new Uint32Array(BUCKETS);
  readonly #slow = new Uint32Array(BUCKETS);
  /** Of the newest bucket, since the epoch of the clock. */
  #second = Number.NEGATIVE_INFINITY;

  get calls(): number {
    return sum(this.#calls);
  }

  get failures(): number {
    return sum(this.#failures);
  }

  get slow(): number {
    return sum(this.#slow);
  }

  /** Empties expired buckets, in ten steps at most. If the clock is set back, the newest bucket stays in use. */
  advance(nowMs: number): void {
    const second = Math.floor(nowMs / BUCKET_MS);
    const elapsed = Math.min(second - this.#second, BUCKETS);
    if (elapsed <= 0) return;
    for (let step = 0; step < elapsed; step += 1) {
      const bucket = (second + BUCKETS - step) % BUCKETS;
      for (const ring of [this.#calls, this.#failures, this.#slow]) ring[bucket] = 0;
    }
    this.#second = second;
  }

  add(nowMs: number, isFailure: boolean, isSlow: boolean): void {
    this.advance(nowMs);
    this.addSuccess();
    if (isFailure) increment(this.#failures, this.#second % BUCKETS);
    if (isSlow) increment(this.#slow, this.#second % BUCKETS);
  }

  /** Counts a success in the newest bucket; `advance` or `add` must have been called before. */
  addSuccess(): void {
    increment(this.#calls, this.#second % BUCKETS);
  }

  clear(): void {
    for (const ring of [this.#calls, this.#failures, this.#slow]) ring.fill(0);
  }
}
