/**
 * Verifies that an isolate uses only tokens that it has, before they expire: each must have left the store at most a lease
 * before. The oldest are used first: if any assignment of tokens works, this one does.
 */
export class TokenLedger {
  readonly #leaseMs: number;
  readonly #taken = new Map<string, { tokens: number; readonly atMs: number }[]>();
  /** Tokens used that the isolate did not have. */
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
