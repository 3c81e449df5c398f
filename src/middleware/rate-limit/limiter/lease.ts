/** Tokens that an isolate has taken from the store and not used yet. They end by time, and are never given back. */

interface Chunk {
  tokens: number;
  readonly untilMs: number;
}

/** What there is beyond that many at a time ends with what ends first: early, never late. */
const MAX_CHUNKS = 4;

export class Lease {
  /** What ends first comes first. */
  readonly #chunks: Chunk[] = [];

  add(tokens: number, untilMs: number): void {
    if (tokens <= 0) return;
    const later = this.#chunks.findIndex((chunk) => chunk.untilMs > untilMs);
    this.#chunks.splice(later < 0 ? this.#chunks.length : later, 0, { tokens, untilMs });
    const [first, second] = this.#chunks;
    if (this.#chunks.length <= MAX_CHUNKS || first === undefined || second === undefined) return;
    this.#chunks.splice(0, 2, { tokens: first.tokens + second.tokens, untilMs: first.untilMs });
  }

  /** @param beyondMs counted is what is good for longer than this from now on */
  tokens(nowMs: number, beyondMs = 0): number {
    this.#drop(nowMs);
    let sum = 0;
    for (const { tokens, untilMs } of this.#chunks) if (untilMs > nowMs + beyondMs) sum += tokens;
    return sum;
  }

  /** @returns until when what was used would have been good; undefined where there was not so much, and none was used */
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

  #drop(nowMs: number): void {
    for (let [first] = this.#chunks; first !== undefined; [first] = this.#chunks) {
      if (first.tokens > 0 && first.untilMs > nowMs) return;
      this.#chunks.shift();
    }
  }
}
