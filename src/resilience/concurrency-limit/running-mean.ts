/** The mean of numbers, and how sure it is. */

/** A mean is off by more than so many standard errors hardly ever. */
const SURE_ERRORS = 2;

export class Sample {
  #count = 0;
  #sum = 0;
  #squares = 0;

  clear(): void {
    this.#count = 0;
    this.#sum = 0;
    this.#squares = 0;
  }

  add(value: number): void {
    this.#count += 1;
    this.#sum += value;
    this.#squares += value * value;
  }

  get count(): number {
    return this.#count;
  }

  /** Of no numbers it is `otherwise`. */
  mean(otherwise: number): number {
    return this.#count === 0 ? otherwise : this.#sum / this.#count;
  }

  /** By how much the mean may be off by chance. */
  get uncertainty(): number {
    if (this.#count < 2) return Number.POSITIVE_INFINITY;
    const mean = this.#sum / this.#count;
    const variance = Math.max(0, this.#squares / this.#count - mean * mean);
    return SURE_ERRORS * Math.sqrt(variance / (this.#count - 1));
  }
}
