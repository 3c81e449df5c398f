/** Tokens that an isolate took from the store and has not used. They expire, and are never given back. */

interface Chunk {
  tokens: number;
  readonly untilMs: number;
}

/** Beyond this many, the two oldest chunks merge and expire with the older one: early, never late. */
const MAX_CHUNKS = 4;

export class Lease {
  /** By expiry, the earliest first. */
  readonly #chunks: Chunk[] = [];

  add(tokens: number, untilMs: number): void {
    if (tokens <= 0) return;
    const later = this.#chunks.findIndex((chunk) => chunk.untilMs > untilMs);
    this.#chunks.splice(later < 0 ? this.#chunks.length : later, 0, { tokens, untilMs });
    const [first, second] = this.#chunks;
    if (this.#chunks.length <= MAX_CHUNKS || first === undefined || second === undefined) return;
    this.#chunks.splice(0, 2, { tokens: first.tokens + second.tokens, untilMs: first.untilMs });
  }

  /** @param beyondMs counts only tokens that are valid for longer than this */
  tokens(nowMs: number, beyondMs = 0): number {
    this.#dropExpired(nowMs);
    let sum = 0;
    for (const { tokens, untilMs } of this.#chunks) if (untilMs > nowMs + beyondMs) sum += tokens;
    return sum;
  }

  /** @returns the earliest expiry of the tokens used; undefined if there were too few, and then none is used */
  use(tokens: number, nowMs: number): number | undefined {
    if (this.tokens(nowMs) < tokens) return undefined;
    const untilMs = this.#chunks[0]?.untilMs ?? nowMs;
    let rest = tokens;
    for (const chunk of this.#chunks) {
      const used = Math.min(rest, chunk.tokens);
      chunk.tokens -= used;
      rest -= used;
    }
    return untilMs;
  }

  #dropExpired(nowMs: number): void {
    for (let [first] = this.#chunks; first !== undefined; [first] = this.#chunks) {
      if (first.tokens > 0 && first.untilMs > nowMs) return;
      this.#chunks.shift();
    }
  }
}
