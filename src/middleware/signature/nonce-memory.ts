/** The nonces that this process has seen, for as long as a signature lives. */

export interface NonceMemory {
  /** Whether the nonce is new; from then on it is not. */
  take(nonce: string, nowMs: number): boolean;
}

/**
 * Two generations of nonces, the older of which is forgotten whole: constant time, bounded memory.
 *
 * @param lifetimeMs for how long a nonce is remembered at least, milliseconds
 * @param maxEntries of one generation. Beyond it the older one is forgotten early: at some 50,000 requests a
 *   second a replay within the signature's life could then pass, rather than the memory grow.
 * @default maxEntries 500,000
 */
export const createNonceMemory = (lifetimeMs: number, maxEntries = 500_000): NonceMemory => {
  let young = new Set<string>();
  let old = new Set<string>();
  let youngSinceMs = Number.NEGATIVE_INFINITY;
  return {
    take: (nonce, nowMs) => {
      if (nowMs - youngSinceMs >= lifetimeMs || young.size >= maxEntries) {
        // After a pause of two lifetimes even the young generation is past.
        old = nowMs - youngSinceMs >= 2 * lifetimeMs ? new Set() : young;
        young = new Set();
        youngSinceMs = nowMs;
      }
      if (young.has(nonce) || old.has(nonce)) return false;
      young.add(nonce);
      return true;
    },
  };
};
