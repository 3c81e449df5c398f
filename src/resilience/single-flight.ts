export interface Lease {
  readonly key: string;
  /** Milliseconds on the caller's clock. */
  readonly untilMs: number;
}

/**
 * Single flight by leases: the holder of a key's lease does the work. If the holder dies, the lease expires
 * and the next caller takes over. Unlike a promise, a lease may be shared by the requests of a Worker.
 */
export class SingleFlight {
  /** Ordered by the ends of the leases. */
  readonly #leases = new Map<string, Lease>();
  readonly #leaseMs: number;
  readonly #maxLeases: number;

  /** @param maxLeases one more drops the oldest lease, which frees its key */
  constructor(leaseMs = 1_000, maxLeases = 10_000) {
    this.#leaseMs = leaseMs;
    this.#maxLeases = maxLeases;
  }

  get size(): number {
    return this.#leases.size;
  }

  /** The lease, or undefined while another caller holds it. */
  acquire(key: string, nowMs: number): Lease | undefined {
    if (this.heldUntilMs(key, nowMs) !== undefined) return undefined;
    const lease = { key, untilMs: nowMs + this.#leaseMs };
    this.#leases.delete(key);
    this.#leases.set(key, lease);
    const [oldest] = this.#leases.keys();
    if (this.size > this.#maxLeases && oldest !== undefined) this.#leases.delete(oldest);
    return lease;
  }

  /** Ends the lease early. @returns false if another caller has taken over */
  release(lease: Lease): boolean {
    return this.#leases.get(lease.key) === lease && this.#leases.delete(lease.key);
  }

  /** End of the key's current lease; undefined if the key is free. */
  heldUntilMs(key: string, nowMs: number): number | undefined {
    const untilMs = this.#leases.get(key)?.untilMs ?? nowMs;
    // A lease longer than any new one was taken before the clock was set back.
    return untilMs > nowMs && untilMs - nowMs <= this.#leaseMs ? untilMs : undefined;
  }
}
