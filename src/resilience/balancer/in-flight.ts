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
