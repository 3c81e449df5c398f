/** What a request's sender is told of the parts that were not taken (OTLP/HTTP, "Partial Success"). */

const MAX_REASONS = 5;

export class Rejections {
  #count = 0;
  readonly #reasons = new Set<string>();

  add(reason: string, count = 1): void {
    this.#count += count;
    if (this.#reasons.size < MAX_REASONS) this.#reasons.add(reason);
  }

  get count(): number {
    return this.#count;
  }

  /** The first different reasons. */
  get message(): string {
    return [...this.#reasons].join("; ");
  }
}
