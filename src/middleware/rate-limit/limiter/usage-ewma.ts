/**
 * What was lately asked for, as a sum that fades: after the time constant a token counts for 1/e. At a steady rate it
 * is as much as is asked for within the time constant, and so a guess at what the next one brings.
 */
export class Demand {
  readonly #constantMs: number;
  #sum = 0;
  #atMs = Number.NEGATIVE_INFINITY;

  constructor(constantMs: number) {
    this.#constantMs = constantMs;
  }

  add(tokens: number, nowMs: number): void {
    this.#sum = this.at(nowMs) + tokens;
    this.#atMs = Math.max(this.#atMs, nowMs);
  }

  /** Tokens within a time constant. */
  at(nowMs: number): number {
    const sinceMs = nowMs - this.#atMs;
    return sinceMs > 0 ? this.#sum * Math.exp(-sinceMs / this.#constantMs) : this.#sum;
  }

  perMs(nowMs: number): number {
    return this.at(nowMs) / this.#constantMs;
  }
}
