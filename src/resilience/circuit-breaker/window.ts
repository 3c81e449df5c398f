const SECONDS = 10;

interface Counts {
  calls: number;
  failures: number;
  slow: number;
}

/** Counts of the last ten seconds. They expire with time, so an idle dependency has an empty window. */
export class CallWindow {
  /** At most ten, oldest first. */
  #buckets: (Counts & { readonly second: number })[] = [];

  add(nowMs: number, isFailure: boolean, isSlow: boolean): void {
    const second = Math.floor(nowMs / 1_000);
    let newest = this.#buckets.at(-1);
    // If the clock is set back, the newest bucket stays in use.
    if (newest === undefined || second > newest.second) {
      newest = { second, calls: 0, failures: 0, slow: 0 };
      this.#buckets = [...this.#buckets.filter((bucket) => bucket.second > second - SECONDS), newest];
    }
    newest.calls += 1;
    if (isFailure) newest.failures += 1;
    if (isSlow) newest.slow += 1;
  }

  /** As of the last call of `add`. */
  totals(): Counts {
    const totals = { calls: 0, failures: 0, slow: 0 };
    for (const { calls, failures, slow } of this.#buckets) {
      totals.calls += calls;
      totals.failures += failures;
      totals.slow += slow;
    }
    return totals;
  }

  clear(): void {
    this.#buckets = [];
  }
}
