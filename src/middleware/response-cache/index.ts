/**
 * The response cache of both tiers. A fresh entry is the response; a stale one is, too, while a newer response is made
 * in the background. An older one, or one that a write has invalidated, is used only if no newer response can be made.
 * Of all requests for one key, one makes the response.
 *
 * A miss calls `fill`, not `next()`: Hono's context is finalized with the stale response, so that a background refresh
 * could not read what comes of `next()`.
 */
import { internalHeaders } from "../../contract/internal-headers.ts";
import { isProblem, problem } from "../../contract/problem.ts";
import { problemResponse } from "../problems/problem-response.ts";
import { readCacheControl, secondsOf } from "./cache-control.ts";
import { type CacheStatus, writeCacheStatus } from "./cache-status.ts";
import { type CacheableRoute, type CacheRoute, cacheableRoute } from "./cacheable.ts";
import { type Entry, entryOf, type FillResult, type Generation, isFailure, resultStatus } from "./entry.ts";
import { usabilityOf } from "./freshness.ts";
import { createInvalidations } from "./invalidations.ts";
import { outcomeOf } from "./outcome.ts";
import type { CacheStore, Filled, FillRequest, Fills, Joined, Waiter } from "./ports.ts";
import { type CacheContext, discard, respond } from "./respond.ts";
import { readTags } from "./tags.ts";

export interface FillOptions {
  /**
   * The response is for any number of requests: it must not depend on If-None-Match, nor on anything else that belongs to
   * this client, and must not end with this request.
   */
  readonly isShared: boolean;
  /** For the next cache (RFC 9111 §5.2.1). */
  readonly cacheControl?: string | undefined;
  /** Aborts when no request waits for the response any more. */
  readonly signal?: AbortSignal | undefined;
}

export interface CachePort<C extends CacheContext> {
  route(c: C): CacheRoute;
  /** Makes the response. Failures are problems, not exceptions: then a stale entry replaces them. */
  fill(c: C, options: FillOptions): Promise<FillResult>;
  waiter(c: C): Waiter;
}

export interface ResponseCacheOptions {
  readonly tier: "edge" | "origin";
  readonly store: CacheStore;
  readonly fills: Fills;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). @default freshness is not shortened */
  readonly random?: () => number;
  /** For policies without a freshness, seconds. @default no 404 is stored */
  readonly defaultFreshS?: number;
}

export interface ResponseCache {
  handler<C extends CacheContext>(port: CachePort<C>): (c: C) => Response | Promise<Response>;
  /** From now on, no response is served that was made before under one of the tags, unless none can be made at all. */
  invalidate(tags: readonly string[]): void;
}

/** A request that the cache may answer. */
interface CacheRequest {
  readonly c: CacheContext;
  readonly key: string;
  readonly maxAgeMs: number;
  readonly route: CacheableRoute;
  readonly fill: (options: FillOptions) => Promise<FillResult>;
  readonly waiter: () => Waiter;
}

/** How an entry may be used: `last_resort` only if no newer response can be made. */
type Use = "fresh" | "revalidate" | "on_error" | "last_resort" | "gone";

type Forward = "miss" | "request" | "stale";

/** The part of the deadline in which an entry is used instead of what has not come, milliseconds. */
const LAST_MOMENT_MS = 50;
/** Between an invalidation and what is made after it in the same millisecond; a power of two, to be exact. */
const MOMENT_MS = 2 ** -10;
const S = 1_000;

export const createResponseCache = (options: ResponseCacheOptions): ResponseCache => {
  const { tier, store, fills, now, random = () => 0, defaultFreshS = 0 } = options;
  const name = `breakwater-${tier}`;
  const invalidations = createInvalidations();
  const routes = new Map<CacheRoute, CacheableRoute | undefined>();
  let latestMs = 0;

  /** A clock that never goes back. */
  const moment = (): number => {
    latestMs = Math.max(latestMs, now());
    return latestMs;
  };

  const invalidate = (tags: readonly string[]): void => {
    invalidations.note(tags, moment());
    latestMs += MOMENT_MS;
  };

  const compiled = (route: CacheRoute): CacheableRoute | undefined => {
    if (!routes.has(route)) routes.set(route, cacheableRoute(route, tier, defaultFreshS));
    return routes.get(route);
  };

  const ageOf = ({ generatedAtMs }: Generation): number => Math.max(0, now() - generatedAtMs);

  const accepts = (maxAgeMs: number, generation: Generation): boolean =>
    ageOf(generation) < maxAgeMs && !invalidations.isOld(generation.tags, generation.asOfMs);

  const isLastResort = (entry: Entry): boolean => {
    const { freshMs, staleIfErrorMs } = entry.windows;
    return staleIfErrorMs > 0 && ageOf(entry) < freshMs + staleIfErrorMs;
  };

  const useOf = ({ maxAgeMs }: CacheRequest, entry: Entry): Use => {
    if (accepts(maxAgeMs, entry)) return usabilityOf(ageOf(entry), entry.windows);
    return isLastResort(entry) ? "last_resort" : "gone";
  };

  const useEntry = (c: CacheContext, entry: Entry, status: CacheStatus): Response => {
    const ageMs = ageOf(entry);
    const ttlS = Math.floor((entry.windows.freshMs - ageMs) / S);
    c.set("cacheOutcome", outcomeOf(status));
    return respond(c, entry.response, writeCacheStatus(name, { ...status, ttlS }), Math.ceil(ageMs / S));
  };

  const useResult = (c: CacheContext, result: FillResult, status: CacheStatus): Response => {
    c.set("cacheOutcome", isFailure(result) ? "failed" : "miss");
    return respond(c, result, writeCacheStatus(name, status));
  };

  /** The age below which no known write has invalidated a response, seconds. */
  const sinceWriteS = (tags: readonly string[]): number | undefined => {
    const lastMs = invalidations.last(tags);
    return lastMs === undefined ? undefined : Math.max(0, Math.floor((now() - lastMs) / S));
  };

  const fillAndStore = async (
    { key, route, fill }: CacheRequest,
    { tags, isShareable }: Pick<FillRequest, "tags" | "isShareable">,
    maxAgeS: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Filled> => {
    const start = { atMs: now(), asOfMs: moment(), maxAgeS };
    const cacheControl = maxAgeS === undefined ? undefined : `max-age=${maxAgeS}`;
    const result = await fill({ isShared: true, cacheControl, signal });
    const storage = { tags, negativeMs: route.negativeMs, random: random() };
    const entry = isShareable ? entryOf(result, start, storage) : undefined;
    if (entry === undefined || invalidations.isOld(tags, entry.asOfMs)) return { result };
    const { response } = entry;
    const isStream = result instanceof Response && !isProblem(response);
    const stored = isStream ? { ...entry, response: { ...response, body: result.clone().body } } : entry;
    return { result, entry, storing: store.put(key, stored) ?? undefined };
  };

  /** @param entry the one to be replaced */
  const fillRequest = (request: CacheRequest, entry: Entry | undefined, use: Use): FillRequest => {
    const { c, key, route, maxAgeMs } = request;
    const tags = route.tags(c.get("target").path);
    // Another cache's own stale response would be no newer than this entry.
    const freshS = use === "revalidate" && entry ? Math.floor(entry.windows.freshMs / S) : undefined;
    const maxAgeS = Math.min(
      freshS ?? Number.POSITIVE_INFINITY,
      sinceWriteS(tags) ?? Number.POSITIVE_INFINITY,
    );
    const shared = { tags, isShareable: tier === "origin" || c.req.method === "GET" };
    return {
      ...shared,
      key,
      waiter: request.waiter(),
      outlivesWaiters: use === "revalidate" || use === "on_error",
      accepts: (generation) => accepts(maxAgeMs, generation),
      moment,
      fill: (signal) => fillAndStore(request, shared, Number.isFinite(maxAgeS) ? maxAgeS : undefined, signal),
      waitUntil: c.get("waitUntil"),
    };
  };

  const useJoined = (c: CacheContext, joined: Joined, forward: Forward): Response => {
    const { result, entry, collapsed } = joined;
    if (result !== undefined)
      return useResult(c, result, { forward, stored: entry !== undefined, collapsed });
    const isFresh = usabilityOf(ageOf(entry), entry.windows) === "fresh";
    return useEntry(c, entry, {
      hit: true,
      collapsed,
      ...(isFresh ? {} : { detail: "stale-while-revalidate" }),
    });
  };

  /** Waits for a newer response, as long as is worthwhile with what there is. */
  const waitForFill = async (request: CacheRequest, use: Use, entry?: Entry): Promise<Response> => {
    const { c } = request;
    const filling = fillRequest(request, entry, use);
    const patienceMs = use === "on_error" ? fills.patienceMs(filling) : undefined;
    if (entry !== undefined && patienceMs === 0)
      return useEntry(c, entry, { hit: true, detail: "stale-if-error" });
    const lastMomentMs = use === "last_resort" ? filling.waiter.deadlineAtMs - LAST_MOMENT_MS : undefined;
    const untilMs = patienceMs === undefined ? lastMomentMs : now() + patienceMs;
    const first = await fills.join(filling, untilMs);
    const isFailed = first === undefined || (first.result !== undefined && isFailure(first.result));
    if (isFailed && entry !== undefined && isLastResort(entry)) {
      discard(c, first?.result);
      return useEntry(
        c,
        entry,
        first?.result === undefined
          ? { hit: true, detail: "stale-if-error" }
          : { forward: "stale", forwardStatus: resultStatus(first.result), detail: "stale-if-error" },
      );
    }
    if (entry !== undefined) discard(c, entry.response);
    const joined = first ?? (await fills.join(filling));
    if (joined === undefined) return useResult(c, problem("deadline_exceeded"), { forward: "miss" });
    return useJoined(c, joined, forwardReason(entry));
  };

  /** Why a request is not answered by the entry (RFC 9211 §2.2). */
  const forwardReason = (entry: Entry | undefined): Forward => {
    if (entry === undefined) return "miss";
    const isFresh = usabilityOf(ageOf(entry), entry.windows) === "fresh";
    return isFresh && accepts(Number.POSITIVE_INFINITY, entry) ? "request" : "stale";
  };

  const serve = (request: CacheRequest, entry: Entry | undefined): Response | Promise<Response> => {
    if (entry === undefined) return waitForFill(request, "gone");
    const use = useOf(request, entry);
    if (use === "fresh") return useEntry(request.c, entry, { hit: true });
    if (use !== "revalidate") return waitForFill(request, use, entry);
    fills.refresh(fillRequest(request, entry, use));
    return useEntry(request.c, entry, { hit: true, detail: "stale-while-revalidate" });
  };

  /** Without the cache. At the edge, the responses to writes name the tags that they invalidate. */
  const bypass = async (
    c: CacheContext,
    filling: Promise<FillResult>,
    isCacheable: boolean,
  ): Promise<Response> => {
    const result = await filling;
    if (isCacheable) return respond(c, result, writeCacheStatus(name, { forward: "bypass" }));
    if (isProblem(result)) return problemResponse(result, c.get("requestId"));
    const invalidated = result instanceof Response ? result.headers.get(internalHeaders.invalidated) : null;
    if (result instanceof Response && (tier === "origin" || invalidated === null)) return result;
    const response = new Response(result.body, {
      status: result.status,
      headers: new Headers(result.headers),
    });
    if (invalidated !== null) {
      invalidate(readTags(invalidated));
      response.headers.delete(internalHeaders.invalidated);
    }
    return response;
  };

  return {
    invalidate,
    handler: (port) =>
      function responseCache(c) {
        const route = compiled(port.route(c));
        const fill = (options: FillOptions): Promise<FillResult> => port.fill(c, options);
        const directives = readCacheControl(c.get("cacheControl"));
        const isBypassed = route === undefined || directives.has("no-store");
        const key = isBypassed ? undefined : route.key(c.get("target"), (field) => c.req.header(field));
        if (isBypassed || key === undefined) return bypass(c, fill({ isShared: false }), route !== undefined);
        const maxAgeS = directives.has("no-cache") ? 0 : secondsOf(directives, "max-age");
        const maxAgeMs = maxAgeS === undefined ? Number.POSITIVE_INFINITY : maxAgeS * S;
        const request = { c, key, maxAgeMs, route, fill, waiter: () => port.waiter(c) };
        const entry = store.get(key);
        return entry instanceof Promise ? entry.then((e) => serve(request, e)) : serve(request, entry);
      },
  };
};
