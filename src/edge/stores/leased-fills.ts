/**
 * Single flight for an isolate, in which no promise may be shared between requests: the holder of a key's lease fills, and
 * the others look into the store when the lease has ended. If the holder dies, another request takes over.
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
  type Waiter,
} from "../../middleware/response-cache/ports.ts";
import { type Lease, SingleFlight } from "../../resilience/single-flight.ts";

const POLL_INTERVAL_MS = 20;
/** After that many holders died, a request fills for itself. */
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
      // When the lease ends, the others look for the entry.
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

  /** @returns the entry that the lease's holder has stored */
  const follow = async ({ key, accepts, waitUntil }: FillRequest, waiter: Waiter, leaseUntilMs: number) => {
    const isHeld = (): boolean => leases.heldUntilMs(key, now()) === leaseUntilMs;
    while (isHeld() && now() < waiter.deadlineAtMs) await sleep(POLL_INTERVAL_MS);
    const entry = await store.get(key);
    if (entry === undefined) return undefined;
    const freshness = freshnessOf(now() - entry.generatedAtMs, entry.windows);
    if (accepts(entry) && ["fresh", "revalidate"].includes(freshness)) return entry;
    const cancelling = cancelBody(entry.response);
    if (cancelling !== undefined) waitUntil(cancelling);
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
        const entry = await follow(request, waiter, leaseUntilMs);
        if (entry !== undefined) return { entry, collapsed: true };
        // The holder has had its time.
        if (hasAlternative) return undefined;
        // It lived, and stored nothing: neither will the next one.
        if (now() < leaseUntilMs) break;
      }
      return await lead(request, leftMs());
    },
  };
};
