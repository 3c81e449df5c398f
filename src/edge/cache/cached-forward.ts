/**
 * The edge's cache before the origins: what is fresh is answered here, what is stale while a newer answer is fetched
 * in the background, what is older still where no origin can give one. Of those who ask for the same at the same
 * time in one isolate, one fetches it: by a lease, since no promise may be shared between requests.
 */
import type { Problem } from "../../contract/problem.ts";
import { problemTypes } from "../../contract/problem.ts";
import type { Route } from "../../contract/route.ts";
import { tierHeaders } from "../../contract/tier-headers.ts";
import { createInvalidations } from "../../core/cache/invalidations.ts";
import { createLeases, type Lease } from "../../core/cache/leases.ts";
import { readTags, tagsFor } from "../../core/cache/tags.ts";
import { type Usability, usabilityOf } from "../../core/cache/windows.ts";
import type { CacheStatus } from "../../core/http/cache-status.ts";
import { type Exchange, type Guard, routed } from "../exchange.ts";
import type { Forward } from "../forward.ts";
import { CONDITION, cacheKey } from "./cache-key.ts";
import { type EdgeStore, matchInTime } from "./edge-store.ts";
import { fromKept, type KeptAnswer, toKept } from "./kept-answer.ts";
import { pause, pauseFor } from "./pause.ts";
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
/** For so long a newer answer is waited for where a stale one could be used in its place, milliseconds. */
const STALE_PATIENCE_MS = 1_000;
/** A write keeps older answers from being asked of origins for so long, where the contract names no freshness, seconds. */
const DEFAULT_FRESH_S = 300;

/** A request that may be answered from the cache. */
interface Asked {
  readonly exchange: Exchange;
  readonly key: string;
  readonly tags: readonly string[];
  readonly route: Route;
}

/** What there is where no origin has an answer. */
interface StandIn {
  readonly kept: KeptAnswer;
  /** Whether a write has made it old. */
  readonly isOld: boolean;
}

interface Fetched {
  readonly result: Response | Problem;
  readonly stored: boolean;
}

/** What nobody reads would hold its connection. */
const discard = async ({ result }: Fetched): Promise<void> => {
  if (result instanceof Response) await result.body?.cancel();
};

const statusOf = (result: Response | Problem): number =>
  result instanceof Response ? result.status : problemTypes[result.code].status;

export const cachedForward = (forward: Forward, { store, now, log }: CachedForwardDependencies): Guard => {
  const leases = createLeases({ leaseMs: LEASE_MS });
  /** Keys for which no origin had an answer a moment ago. */
  const failed = createLeases({ leaseMs: LEASE_MS });
  const invalidations = createInvalidations();
  const tagsOf = new Map<Route, (path: string) => readonly string[]>();

  const asked = (exchange: Exchange): Asked | undefined => {
    const { route } = routed(exchange).entry;
    const { origin, path, query, request } = exchange;
    const key = cacheKey(route, { origin, path, query, headers: request.headers });
    if (key === undefined) return undefined;
    let tags = tagsOf.get(route);
    if (tags === undefined) {
      tags = tagsFor(route);
      // As many as there are routes.
      tagsOf.set(route, tags);
    }
    return { exchange, key, tags: tags(path), route };
  };

  const keptFor = async ({ key }: Asked): Promise<KeptAnswer | undefined> => {
    const entry = await matchInTime(store, key);
    return entry && fromKept(entry);
  };

  /** Where a write that this isolate knows of has made it old, it may be used if there is nothing else. */
  const usability = (
    { tags }: Asked,
    { requestedAtMs, generatedAtMs, windows }: KeptAnswer,
  ): Usability | "old" => {
    const ageMs = now() - generatedAtMs;
    if (!invalidations.isOld(tags, requestedAtMs)) return usabilityOf(ageMs, windows);
    return windows.staleIfErrorMs > 0 && ageMs < windows.freshMs + windows.staleIfErrorMs ? "old" : "gone";
  };

  /** Lets no origin answer with what it made before a write that this isolate knows of. */
  const newerThanWrites = ({ tags, route }: Asked): string | undefined => {
    const lastMs = invalidations.last(tags);
    if (lastMs === undefined) return undefined;
    const sinceS = Math.max(0, Math.floor((now() - lastMs) / 1000));
    const { freshS = DEFAULT_FRESH_S, staleWhileRevalidateS = 0 } = route.policy.cache ?? {};
    return sinceS <= freshS + staleWhileRevalidateS ? `max-age=${sinceS}` : undefined;
  };

  const serve = (each: Asked, kept: KeptAnswer, status: CacheStatus): Response =>
    keptResponse(each.exchange, kept, status, now());

  const keep = (each: Asked, answer: Response, requestedAtMs: number, lease: Lease | undefined): boolean => {
    const kept = toKept(answer, requestedAtMs, now());
    const end = (): void => {
      if (lease !== undefined) leases.end(lease);
    };
    const isWhole = each.exchange.request.method === "GET";
    // A write may have made it old, of which its age tells nothing.
    const isMakeshift = answer.headers.get("cache-status")?.includes("stale-if-error") ?? false;
    if (kept === undefined || !isWhole || isMakeshift || invalidations.isOld(each.tags, requestedAtMs)) {
      end();
      return false;
    }
    const putting = store.put(each.key, kept.entry()).catch((error: unknown) => {
      log({ level: "warn", message: "not kept in the cache", error: String(error) });
    });
    // Who waits for the lease is to find the answer.
    each.exchange.inBackground(putting.finally(end));
    return true;
  };

  /** Fetches and keeps; the caller has the lease, or does without. */
  const fetchNew = async (
    each: Asked,
    lease: Lease | undefined,
    cacheControl: string | undefined,
  ): Promise<Fetched> => {
    const requestedAtMs = now();
    const result = await forward(each.exchange, { without: [CONDITION], cacheControl });
    if (statusOf(result) >= 500) {
      failed.take(each.key, now());
      if (lease !== undefined) leases.end(lease);
      return { result, stored: false };
    }
    const stored = result instanceof Response && keep(each, result, requestedAtMs, lease);
    if (!stored && lease !== undefined) leases.end(lease);
    return { result, stored };
  };

  const refresh = (each: Asked, kept: KeptAnswer): void => {
    const lease =
      failed.heldUntilMs(each.key, now()) === undefined ? leases.take(each.key, now()) : undefined;
    if (lease === undefined) return;
    // The origin's own stale answer would be no newer than this one.
    const cacheControl = newerThanWrites(each) ?? `max-age=${Math.floor(kept.windows.freshMs / 1000)}`;
    each.exchange.inBackground(fetchNew(each, lease, cacheControl).then(discard));
  };

  const staleOnError = (each: Asked, kept: KeptAnswer, forwardStatus?: number): Response =>
    serve(
      each,
      kept,
      forwardStatus === undefined
        ? { hit: true, detail: "stale-if-error" }
        : { forward: "stale", forwardStatus, detail: "stale-if-error" },
    );

  const told = ({ exchange }: Asked, { result, stored }: Fetched, forwarded: "miss" | "stale") =>
    result instanceof Response ? fetchedAnswer(exchange, result, { forward: forwarded, stored }) : result;

  /** @param standIn what is used where no origin has an answer, or, unless it is old, none has it soon */
  const lead = async (
    each: Asked,
    standIn: StandIn | undefined,
    lease: Lease | undefined,
  ): Promise<Response | Problem> => {
    const fetching = fetchNew(each, lease, newerThanWrites(each));
    if (standIn === undefined) return told(each, await fetching, "miss");
    const fetched = standIn.isOld
      ? await fetching
      : await Promise.race([fetching, pauseFor(STALE_PATIENCE_MS, undefined)]);
    if (fetched !== undefined && statusOf(fetched.result) < 500) return told(each, fetched, "stale");
    if (fetched === undefined) {
      failed.take(each.key, now());
      each.exchange.inBackground(fetching.then(discard));
    }
    return staleOnError(each, standIn.kept, fetched && statusOf(fetched.result));
  };

  /** Waits for whoever fetches; undefined where its time is over without an answer that can be used. */
  const follow = async (each: Asked): Promise<Response | undefined> => {
    const { deadline } = routed(each.exchange);
    while (leases.heldUntilMs(each.key, now()) !== undefined && !deadline.aborted)
      await pause(LOOK_INTERVAL_MS);
    const kept = await keptFor(each);
    const isUsable = kept !== undefined && ["fresh", "revalidate"].includes(usability(each, kept));
    return isUsable ? serve(each, kept, { hit: true, collapsed: true }) : undefined;
  };

  const fetchOnce = async (each: Asked, standIn?: StandIn): Promise<Response | Problem> => {
    // What is old is not taken for the answer before an origin has been asked.
    const alternative = standIn?.isOld === false ? standIn.kept : undefined;
    if (alternative !== undefined && failed.heldUntilMs(each.key, now()) !== undefined)
      return staleOnError(each, alternative);
    const lease = leases.take(each.key, now());
    if (lease !== undefined) return await lead(each, standIn, lease);
    const followed = await follow(each);
    if (followed !== undefined) return followed;
    // Whoever fetches has had its time.
    return alternative === undefined
      ? await lead(each, standIn, leases.take(each.key, now()))
      : staleOnError(each, alternative);
  };

  /** Takes note of what a write has made old, which is nobody else's business. */
  const noted = (result: Response | Problem): Response | Problem => {
    const field = result instanceof Response ? result.headers.get(tierHeaders.invalidated) : null;
    if (!(result instanceof Response) || field === null) return result;
    invalidations.note(readTags(field), now());
    const copy = new Response(result.body, result);
    copy.headers.delete(tierHeaders.invalidated);
    return copy;
  };

  return async (exchange) => {
    const each = asked(exchange);
    if (each === undefined) return noted(await forward(exchange));
    const kept = await keptFor(each);
    if (kept === undefined) return await fetchOnce(each);
    switch (usability(each, kept)) {
      case "fresh":
        return serve(each, kept, { hit: true });
      case "revalidate":
        refresh(each, kept);
        return serve(each, kept, { hit: true, detail: "stale-while-revalidate" });
      case "on_error":
        return await fetchOnce(each, { kept, isOld: false });
      case "old":
        return await fetchOnce(each, { kept, isOld: true });
      case "gone":
        return await fetchOnce(each);
    }
  };
};
