/**
 * Single flight by plain data: the holder of a key's lease does the work, and the others wait or use what they have.
 * If the holder dies, its lease runs out and the next caller takes over. Unlike a promise, a lease may be shared by
 * the requests of a Worker.
 */

export interface Lease {
  readonly key: string;
  /** Milliseconds on the caller's clock. */
  readonly untilMs: number;
}

export interface SingleFlight {
  /** The lease, or undefined while another caller holds it. */
  acquire(key: string, nowMs: number): Lease | undefined;
  /** Ends the lease early; without effect once another caller has taken over. */
  release(lease: Lease): void;
  /** End of the current lease of a key; undefined if the key is free. */
  heldUntilMs(key: string, nowMs: number): number | undefined;
  readonly size: number;
}

export interface SingleFlightOptions {
  /** @default 1,000 */
  readonly leaseMs?: number;
  /** Beyond this number, the oldest lease is forgotten and its key is free again. @default 10,000 */
  readonly maxLeases?: number;
}

export const createSingleFlight = ({
  leaseMs = 1_000,
  maxLeases = 10_000,
}: SingleFlightOptions = {}): SingleFlight => {
  const leases = new Map<string, Lease>();

  const heldUntilMs = (key: string, nowMs: number): number | undefined => {
    const untilMs = leases.get(key)?.untilMs ?? nowMs;
    // A lease that ends later than any new one would was taken before the clock was set back.
    return untilMs > nowMs && untilMs - nowMs <= leaseMs ? untilMs : undefined;
  };

  return {
    acquire: (key, nowMs) => {
      if (heldUntilMs(key, nowMs) !== undefined) return undefined;
      const lease = { key, untilMs: nowMs + leaseMs };
      // Deleted first, so that the map is ordered by the leases' ends.
      leases.delete(key);
      leases.set(key, lease);
      const [oldest] = leases.keys();
      if (leases.size > maxLeases && oldest !== undefined) leases.delete(oldest);
      return lease;
    },
    release: (lease) => {
      if (leases.get(lease.key) === lease) leases.delete(lease.key);
    },
    heldUntilMs,
    get size() {
      return leases.size;
    },
  };
};
