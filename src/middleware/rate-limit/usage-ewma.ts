/**
 * Recent usage: an exponentially decaying sum of tokens. At a steady rate it equals the tokens used within one time
 * constant, which predicts the next one.
 */
export class UsageEwma {
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

  /** Tokens per time constant. */
  at(nowMs: number): number {
    const sinceMs = nowMs - this.#atMs;
    return sinceMs > 0 ? this.#sum * Math.exp(-sinceMs / this.#constantMs) : this.#sum;
  }

  perMs(nowMs: number): number {
    return this.at(nowMs) / this.#constantMs;
  }
}
