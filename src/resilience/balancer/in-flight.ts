/**
 * How many requests are under way. A platform may end a request's work without a word, so none counts for ever: what
 * has not ended after one to two periods is forgotten.
 */

const PERIOD_MS = 30_000;

export class InFlight {
  #period = 0;
  #young = 0;
  #old = 0;

  /** Of those that began not too long ago. */
  count(nowMs: number): number {
    this.#advance(nowMs);
    return this.#young + this.#old;
  }

  /** @returns what `leave` is to be told */
  enter(nowMs: number): number {
    this.#advance(nowMs);
    this.#young += 1;
    return this.#period;
  }

  leave(period: number): void {
    if (period === this.#period) this.#young -= 1;
    else if (period === this.#period - 1) this.#old -= 1;
  }

  #advance(nowMs: number): void {
    const period = Math.floor(nowMs / PERIOD_MS);
    // A clock that is set back changes nothing until it has come as far again.
    if (period <= this.#period) return;
    this.#old = period === this.#period + 1 ? this.#young : 0;
    this.#young = 0;
    this.#period = period;
  }
}
