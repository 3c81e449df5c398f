/**
 * What the last ten seconds' calls came to: a ring of ten buckets of a second each. What has become too old is
 * emptied with the passing of time, not with calls, so that a dependency that nobody called has no past.
 */

const BUCKETS = 10;
const BUCKET_MS = 1_000;
/** Calls, failures and slow calls of a bucket stand one after another. */
const FIELDS = 3;

export class CallWindow {
  readonly #ring = new Uint32Array(BUCKETS * FIELDS);
  /** The number of the second that the newest bucket is for. */
  #second = Number.NEGATIVE_INFINITY;
  /** Until then, and where the clock is set back, everything counts in that bucket. */
  #nextSecondMs = Number.NEGATIVE_INFINITY;
  #calls = 0;
  #failures = 0;
  #slow = 0;

  get calls(): number {
    return this.#calls;
  }

  get failures(): number {
    return this.#failures;
  }

  get slow(): number {
    return this.#slow;
  }

  /** Empties what has become too old; at most ten steps, however long nothing happened. */
  advance(nowMs: number): void {
    if (nowMs < this.#nextSecondMs) return;
    const second = Math.floor(nowMs / BUCKET_MS);
    const elapsed = second - this.#second;
    if (elapsed >= BUCKETS) {
      this.clear();
    } else {
      for (let step = 1; step <= elapsed; step += 1) this.#empty((this.#second + step) % BUCKETS);
    }
    this.#second = second;
    this.#nextSecondMs = (second + 1) * BUCKET_MS;
  }

  add(nowMs: number, isFailure: boolean, isSlow: boolean): void {
    this.advance(nowMs);
    const at = (this.#second % BUCKETS) * FIELDS;
    this.#count(at, 1);
    this.#calls += 1;
    if (isFailure) {
      this.#count(at + 1, 1);
      this.#failures += 1;
    }
    if (isSlow) {
      this.#count(at + 2, 1);
      this.#slow += 1;
    }
  }

  /** Counts in the second of the last call of `advance` or `add`, one of which there was. */
  addSuccess(): void {
    this.#count((this.#second % BUCKETS) * FIELDS, 1);
    this.#calls += 1;
  }

  clear(): void {
    this.#ring.fill(0);
    this.#calls = 0;
    this.#failures = 0;
    this.#slow = 0;
  }

  #count(index: number, by: number): void {
    this.#ring[index] = (this.#ring[index] ?? 0) + by;
  }

  #empty(bucket: number): void {
    const at = bucket * FIELDS;
    this.#calls -= this.#ring[at] ?? 0;
    this.#failures -= this.#ring[at + 1] ?? 0;
    this.#slow -= this.#ring[at + 2] ?? 0;
    this.#ring.fill(0, at, at + FIELDS);
  }
}
