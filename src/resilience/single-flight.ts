/**
 * Single flight by plain data: who holds a key's lease makes its answer, the others wait or use what they have.
 * A holder that dies leaves nothing behind but a time: when that has passed, another one takes its place. So it
 * may be shared by the requests of a Worker, where a promise may not.
 */

export interface Lease {
  readonly key: string;
  /** On the caller's clock, milliseconds. */
  readonly untilMs: number;
}

export interface Leases {
  /** The lease, or undefined while somebody else holds it. */
  take(key: string, nowMs: number): Lease | undefined;
  /** Gives it back before its time; of a lease that has passed to another, nothing. */
  end(lease: Lease): void;
  /** Until when the key is held; undefined where it is free. */
  heldUntilMs(key: string, nowMs: number): number | undefined;
  readonly size: number;
}

export interface LeaseOptions {
  /** @default 1,000 */
  readonly leaseMs?: number;
  /** More keys are not held at a time: the oldest one's lease is forgotten, and may be taken again. @default 10,000 */
  readonly maxLeases?: number;
}

export const createLeases = ({ leaseMs = 1_000, maxLeases = 10_000 }: LeaseOptions = {}): Leases => {
  const leases = new Map<string, Lease>();

  /** Further ahead than it was ever set a time is where the clock was set back. */
  const isHeld = ({ untilMs }: Lease, nowMs: number): boolean =>
    untilMs > nowMs && untilMs - nowMs <= leaseMs;

  const held = (key: string, nowMs: number): Lease | undefined => {
    const lease = leases.get(key);
    return lease !== undefined && isHeld(lease, nowMs) ? lease : undefined;
  };

  return {
    take: (key, nowMs) => {
      if (held(key, nowMs) !== undefined) return undefined;
      const lease = { key, untilMs: nowMs + leaseMs };
      // Behind those that are there: the map's order is that of the leases' ends.
      leases.delete(key);
      leases.set(key, lease);
      const [oldest] = leases.keys();
      if (leases.size > maxLeases && oldest !== undefined) leases.delete(oldest);
      return lease;
    },
    end: (lease) => {
      if (leases.get(lease.key) === lease) leases.delete(lease.key);
    },
    heldUntilMs: (key, nowMs) => held(key, nowMs)?.untilMs,
    get size() {
      return leases.size;
    },
  };
};
