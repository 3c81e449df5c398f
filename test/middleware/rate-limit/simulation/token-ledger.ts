/**
 * Whether an isolate only ever uses tokens that it has, and within their time: each that it admits with must have left
 * the store at most a lease before. What is oldest is used first, so that if any assignment of tokens works, this does.
 */
export class TokenLedger {
  readonly #leaseMs: number;
  readonly #taken = new Map<string, { tokens: number; readonly atMs: number }[]>();
  /** Tokens that were used without being there. */
  unbacked = 0;

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  take(bucket: string, tokens: number, atMs: number): void {
    const taken = this.#taken.get(bucket) ?? [];
    taken.push({ tokens, atMs });
    this.#taken.set(bucket, taken);
  }

  use(bucket: string, tokens: number, atMs: number): void {
    const taken = this.#taken.get(bucket) ?? [];
    let rest = tokens;
    while (rest > 0) {
      const [oldest] = taken;
      if (oldest === undefined) break;
      const used = atMs - oldest.atMs > this.#leaseMs ? 0 : Math.min(rest, oldest.tokens);
      rest -= used;
      oldest.tokens -= used;
      if (used === 0) taken.shift();
    }
    this.unbacked += rest;
  }
}
