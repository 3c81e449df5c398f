/**
 * The edge's cache before the origins: what is fresh is answered here, what is stale while a newer answer is fetched
 * in the background, what is older still where no origin can give one. Of those who ask for the same at the same
 * time in one isolate, one fetches it: by a lease, since no promise may be shared between requests.
 */

import type { Context } from "hono";
import { internalHeaders } from "../../contract/internal-headers.ts";
import { sleep, withTimeout } from "../../lib/async.ts";
import type { CacheStatus } from "../../middleware/response-cache/cache-status.ts";
import { type Usability, usabilityOf } from "../../middleware/response-cache/freshness.ts";
import { createInvalidations } from "../../middleware/response-cache/invalidations.ts";
import { readTags } from "../../middleware/response-cache/tags.ts";
import { type Lease, SingleFlight } from "../../resilience/single-flight.ts";
import type { EdgeEnv } from "../env.ts";
import type { ProxyHandler } from "../upstream/proxy.ts";
import { type Asked, askedOfCache } from "./asked.ts";
import { type EdgeStore, matchInTime } from "./edge-store.ts";
import { discard, type Fetched, failureOf, fetchAndKeep } from "./fetch-and-keep.ts";
import { fromKept, type KeptAnswer } from "./kept-answer.ts";
import { fetchedAnswer, keptResponse } from "./told-response.ts";

export interface CachedForwardDependencies {
  readonly store: EdgeStore;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Takes what is for operators' eyes. */
  readonly log: (entry: Readonly<Record<string, unknown>>) => void;
}

/** Who fetches has so long until another one does, milliseconds. */
const LEASE_MS = 1_000;
/** How often who waits looks whether the answer is there, milliseconds. */
const LOOK_INTERVAL_MS = 20;
/** So many who fetch may die before those who wait fetch for themselves. */
const MAX_LEADERS = 3;
/** For so long a newer answer is waited for where a stale one could be used in its place, milliseconds. */
const STALE_PATIENCE_MS = 1_000;

/** What there is where no origin has an answer. */
interface StandIn {
  readonly kept: KeptAnswer;
  /** Whether a write has made it old. */
  readonly isOld: boolean;
}

/** What became of who fetched: its answer is kept, will not be kept, or does not come. */
type Followed = Response | "ended" | "died";

export const cachedForward = (forward: ProxyHandler, { store, now, log }: CachedForwardDependencies) => {
  const leases = new SingleFlight(LEASE_MS);
  const failures = new SingleFlight(LEASE_MS);
  const invalidations = createInvalidations();
  const asking = askedOfCache();
  const fetcher = fetchAndKeep({ forward, store, leases, failures, invalidations, now, log });

  const keptFor = async ({ key }: Asked): Promise<KeptAnswer | undefined> => {
    const entry = await matchInTime(store, key);
    return entry && fromKept(entry);
  };

  /** Where a write that this isolate knows of has made it old, it may be used if there is nothing else. */
  const usability = (
    { tags }: Asked,
    { madeAfterMs, generatedAtMs, windows }: KeptAnswer,
  ): Usability | "old" => {
    const ageMs = now() - generatedAtMs;
    if (!invalidations.isOld(tags, madeAfterMs)) return usabilityOf(ageMs, windows);
    return windows.staleIfErrorMs > 0 && ageMs < windows.freshMs + windows.staleIfErrorMs ? "old" : "gone";
  };

  const serve = ({ c }: Asked, kept: KeptAnswer, status: CacheStatus): Response =>
    keptResponse(c, kept, status, now());

  const leaveUnread = ({ c }: Asked, kept: KeptAnswer | undefined): void => {
    const { body } = kept?.response ?? {};
    if (body) c.get("waitUntil")(body.cancel());
  };

  const staleOnError = (asked: Asked, kept: KeptAnswer, forwardStatus?: number): Response =>
    serve(
      asked,
      kept,
      forwardStatus === undefined
        ? { hit: true, detail: "stale-if-error" }
        : { forward: "stale", forwardStatus, detail: "stale-if-error" },
    );

  const told = ({ c }: Asked, fetched: Fetched, forwarded: "miss" | "stale") => {
    const { result, stored } = fetched;
    c.set("cacheOutcome", failureOf(fetched) === undefined ? "miss" : "failed");
    return fetchedAnswer(c, result, { forward: forwarded, stored });
  };

  /** @param standIn what is used where no origin has an answer, or, unless it is old, none has it soon */
  const lead = async (
    asked: Asked,
    standIn: StandIn | undefined,
    lease: Lease | undefined,
  ): Promise<Response> => {
    const fetching = fetcher.fetch(asked, lease);
    if (standIn === undefined) return told(asked, await fetching, "miss");
    const fetched = standIn.isOld
      ? await fetching
      : await withTimeout(fetching, STALE_PATIENCE_MS, { fallback: undefined });
    if (fetched !== undefined && failureOf(fetched) === undefined) {
      leaveUnread(asked, standIn.kept);
      return told(asked, fetched, "stale");
    }
    if (fetched === undefined) fetcher.fail(asked);
    asked.c.get("waitUntil")(fetching.then(discard));
    return staleOnError(asked, standIn.kept, fetched && failureOf(fetched));
  };

  /** Waits for whoever has the lease now, and not for those who have it after that. */
  const follow = async (asked: Asked, untilMs: number): Promise<Followed> => {
    const deadlineAtMs = asked.c.get("deadlineAtMs");
    const isUnderWay = (): boolean => leases.heldUntilMs(asked.key, now()) === untilMs;
    while (isUnderWay() && now() < deadlineAtMs) await sleep(LOOK_INTERVAL_MS);
    const end = now() < untilMs ? "ended" : "died";
    // Where it died, another one may have fetched it since.
    const kept = await keptFor(asked);
    if (kept !== undefined && ["fresh", "revalidate"].includes(usability(asked, kept)))
      return serve(asked, kept, { hit: true, collapsed: true });
    leaveUnread(asked, kept);
    return end;
  };

  const fetchOnce = async (asked: Asked, standIn?: StandIn): Promise<Response> => {
    // What HEAD fetches cannot be kept: nobody is to wait for it.
    if (!asked.isWhole) return await lead(asked, standIn, undefined);
    // What is old is not taken for the answer before an origin has been asked.
    const alternative = standIn?.isOld === false ? standIn.kept : undefined;
    if (alternative !== undefined && fetcher.hasJustFailed(asked)) return staleOnError(asked, alternative);
    for (let leaders = 0; leaders < MAX_LEADERS; leaders += 1) {
      const lease = leases.acquire(asked.key, now());
      if (lease !== undefined) return await lead(asked, standIn, lease);
      const followed = await follow(asked, leases.heldUntilMs(asked.key, now()) ?? 0);
      if (followed instanceof Response) {
        leaveUnread(asked, standIn?.kept);
        return followed;
      }
      // Whoever fetches has had its time.
      if (alternative !== undefined) return staleOnError(asked, alternative);
      if (followed === "ended") break;
    }
    return await lead(asked, standIn, undefined);
  };

  /** Takes note of what a write has made old, which is nobody else's business. */
  const noted = (result: Response): Response => {
    const field = result.headers.get(internalHeaders.invalidated);
    if (field === null) return result;
    invalidations.note(readTags(field), now());
    result.headers.delete(internalHeaders.invalidated);
    return result;
  };

  return async (c: Context<EdgeEnv>): Promise<Response> => {
    const asked = asking(c);
    if (asked === undefined) return noted(await forward(c));
    const kept = await keptFor(asked);
    if (kept === undefined) return await fetchOnce(asked);
    switch (usability(asked, kept)) {
      case "fresh":
        return serve(asked, kept, { hit: true });
      case "revalidate":
        fetcher.refresh(asked, kept);
        return serve(asked, kept, { hit: true, detail: "stale-while-revalidate" });
      case "on_error":
        return await fetchOnce(asked, { kept, isOld: false });
      case "old":
        return await fetchOnce(asked, { kept, isOld: true });
      case "gone":
        leaveUnread(asked, kept);
        return await fetchOnce(asked);
    }
  };
};
