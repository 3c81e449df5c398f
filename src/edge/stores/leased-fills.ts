/**
 * Single flight for an isolate, where requests may not share a promise: the holder of a key's lease fills the
 * entry, and the others read the store when the lease ends. If the holder dies, another request takes over.
 */
import { sleep, withTimeout } from "../../lib/async.ts";
import { cancelBody, freshnessOf, isFailure } from "../../middleware/response-cache/entry.ts";
import {
  type CacheStore,
  FILL_LEASE_MS,
  type Filled,
  type FillRequest,
  type Fills,
  type Joined,
} from "../../middleware/response-cache/ports.ts";
import { type Lease, SingleFlight } from "../../resilience/single-flight.ts";

const POLL_INTERVAL_MS = 20;
/** After this many dead holders a request fills for itself. */
const MAX_HOLDERS = 3;

/** @param now epoch milliseconds */
export const createLeasedFills = (store: CacheStore, now: () => number): Fills => {
  const leases = new SingleFlight(FILL_LEASE_MS);
  const failures = new SingleFlight(FILL_LEASE_MS);

  const hasJustFailed = (key: string): boolean => failures.heldUntilMs(key, now()) !== undefined;

  const fill = async (request: FillRequest, lease?: Lease): Promise<Filled> => {
    const release = (): void => {
      if (lease !== undefined) leases.release(lease);
    };
    let storing: Promise<void> | undefined;
    try {
      const filled = await request.fill();
      ({ storing } = filled);
      if (isFailure(filled.result)) failures.acquire(request.key, now());
      return filled;
    } finally {
      // The others read the store when the lease ends, so the entry must be stored by then.
      if (storing === undefined) release();
      else request.waitUntil(storing.finally(release));
    }
  };

  const lead = async (
    request: FillRequest,
    ms: number | undefined,
    lease?: Lease,
  ): Promise<Joined | undefined> => {
    const filling = fill(request, lease);
    const filled = await (ms === undefined ? filling : withTimeout(filling, ms, { fallback: undefined }));
    if (filled !== undefined) return { ...filled, collapsed: false };
    failures.acquire(request.key, now());
    request.waitUntil(filling.then(({ result }) => cancelBody(result)));
    return undefined;
  };

  /** @returns the entry stored by the lease's holder */
  const follow = async (
    { key, accepts, waitUntil }: FillRequest,
    leaseUntilMs: number,
    waitUntilMs: number,
  ) => {
    const isHeld = (): boolean => leases.heldUntilMs(key, now()) === leaseUntilMs;
    while (isHeld() && now() < waitUntilMs) await sleep(POLL_INTERVAL_MS);
    const entry = await store.get(key);
    if (entry === undefined) return undefined;
    const freshness = freshnessOf(now() - entry.generatedAtMs, entry.windows);
    if (accepts(entry) && ["fresh", "revalidate"].includes(freshness)) return entry;
    const canceling = cancelBody(entry.response);
    if (canceling !== undefined) waitUntil(canceling);
    return undefined;
  };

  return {
    refresh: (request) => {
      if (!request.isShareable || hasJustFailed(request.key)) return;
      const lease = leases.acquire(request.key, now());
      if (lease !== undefined)
        request.waitUntil(fill(request, lease).then(({ result }) => cancelBody(result)));
    },
    join: async (request, waiter, untilMs) => {
      const { key, isShareable, hasAlternative } = request;
      const leftMs = (): number | undefined => {
        if (hasAlternative) return FILL_LEASE_MS;
        return untilMs === undefined ? undefined : untilMs - now();
      };
      if (hasAlternative && hasJustFailed(key)) return undefined;
      for (let holders = 0; isShareable && holders < MAX_HOLDERS; holders += 1) {
        const lease = leases.acquire(key, now());
        if (lease !== undefined) return await lead(request, leftMs(), lease);
        const leaseUntilMs = leases.heldUntilMs(key, now()) ?? 0;
        const entry = await follow(request, leaseUntilMs, untilMs ?? waiter.deadlineAtMs);
        if (entry !== undefined) return { entry, collapsed: true };
        if (untilMs !== undefined && now() >= untilMs) return undefined;
        // The holder's time is over.
        if (hasAlternative) return undefined;
        // The holder finished without storing an entry, so the next one would not store one either.
        if (now() < leaseUntilMs) break;
      }
      return await lead(request, leftMs());
    },
  };
};
