/**
 * The response cache of both tiers. A fresh entry is the response; a stale one is, too, while a newer response is made
 * in the background. An older one, or one that a write has invalidated, is used only if no newer response can be made.
 * Of all requests for one key, one makes the response.
 *
 * A miss calls `fill`, not `next()`: Hono's context is finalized with the stale response, so a background refresh could
 * not read the result of `next()`.
 */
import { internalHeaders } from "../../contract/internal-headers.ts";
import { isProblem, type Problem, problem } from "../../contract/problem.ts";
import { problemResponse } from "../problems/index.ts";
import { type CacheableRoute, type CacheRoute, cacheableRoute } from "./cacheable.ts";
import {
  type Entry,
  entryOf,
  type FillResult,
  type Freshness,
  freshnessOf,
  type Generation,
  isFailure,
  isLastResort,
  readCacheControl,
  resultStatus,
} from "./entry.ts";
import { createInvalidations, readTags } from "./invalidations.ts";
import {
  type CachePort,
  type CacheStore,
  FILL_LEASE_MS,
  type Filled,
  type FillOptions,
  type FillRequest,
  type Fills,
  type Waiter,
} from "./ports.ts";
import {
  type CacheContext,
  type CacheStatus,
  cacheFields,
  discard,
  outcomeOf,
  respond,
  writeCacheStatus,
} from "./respond.ts";

type MaybePromise<T> = T | Promise<T>;

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
  handler<C extends CacheContext>(port: CachePort<C>): (c: C) => MaybePromise<Response>;
  /** From now on, no response is served that was made before under one of the tags, unless none can be made at all. */
  invalidate(tags: readonly string[]): void;
}

/** A request that the cache may answer. */
interface CacheRequest {
  readonly c: CacheContext;
  readonly route: CacheableRoute;
  readonly key: string;
  /** The greatest age of a response that is accepted, milliseconds. */
  readonly maxAgeMs: number;
  readonly fill: (options: FillOptions) => Promise<FillResult>;
  readonly waiter: () => Waiter;
  readonly reject: (problem: Problem) => MaybePromise<Response>;
}

/** How an entry may be used: `last_resort` only if no newer response can be made. */
type Use = Freshness | "last_resort";

/** A newer response is awaited twice as long as if a write had not invalidated the entry, milliseconds. */
const LAST_RESORT_WAIT_MS = 2 * FILL_LEASE_MS;
/** But this long before the deadline, a request that still waits gets the entry, milliseconds. */
const LAST_MOMENT_MS = 50;
const S = 1_000;

export const createResponseCache = (options: ResponseCacheOptions): ResponseCache => {
  const { tier, store, fills, now, random = () => 0, defaultFreshS = 0 } = options;
  const name = `breakwater-${tier}`;
  const invalidations = createInvalidations(now);
  const routes = new Map<CacheRoute, CacheableRoute | undefined>();

  const compiled = (route: CacheRoute): CacheableRoute | undefined => {
    if (!routes.has(route)) routes.set(route, cacheableRoute(route, tier, defaultFreshS));
    return routes.get(route);
  };

  const ageOf = ({ generatedAtMs }: Generation): number => Math.max(0, now() - generatedAtMs);
  const isFresh = (entry: Entry): boolean => ageOf(entry) < entry.windows.freshMs;
  const mayReplaceFailure = (entry: Entry): boolean => isLastResort(ageOf(entry), entry.windows);

  const accepts = (maxAgeMs: number, generation: Generation): boolean =>
    ageOf(generation) < maxAgeMs && !invalidations.isInvalidated(generation.tags, generation.asOfMs);

  const useOf = ({ maxAgeMs }: CacheRequest, entry: Entry): Use => {
    if (accepts(maxAgeMs, entry)) return freshnessOf(ageOf(entry), entry.windows);
    return mayReplaceFailure(entry) ? "last_resort" : "expired";
  };

  /** @param old the entry that the fill replaces */
  const fillRequest = (request: CacheRequest, use: Use, old?: Entry): FillRequest => {
    const { c, key, route, maxAgeMs } = request;
    const tags = route.tags(c.get("target").path);
    const isShareable = tier === "origin" || c.req.method === "GET";
    // The next cache's own stale response would be no newer than this entry.
    const freshS = use === "revalidate" && old ? Math.floor(old.windows.freshMs / S) : undefined;
    const sinceWriteS = invalidations.maxAgeS(tags);
    const maxAgeS = freshS === undefined ? sinceWriteS : Math.min(freshS, sinceWriteS ?? freshS);

    const fill = async (signal?: AbortSignal): Promise<Filled> => {
      const { negativeMs } = route;
      const generation = { atMs: now(), asOfMs: invalidations.now(), maxAgeS, tags, random: random() };
      const cacheControl = maxAgeS === undefined ? undefined : `max-age=${maxAgeS}`;
      const result = await request.fill({ isShared: true, cacheControl, signal });
      const entry = isShareable ? entryOf(result, { ...generation, negativeMs }) : undefined;
      if (entry === undefined || invalidations.isInvalidated(tags, entry.asOfMs)) return { result };
      const { response } = entry;
      // A stream can be read once: the client gets one, the store another.
      const isStream = result instanceof Response && !isProblem(response);
      const stored = isStream ? { ...entry, response: { ...response, body: result.clone().body } } : entry;
      return { result, entry, storing: store.put(key, stored) ?? undefined };
    };

    return {
      key,
      tags,
      hasAlternative: use === "revalidate" || use === "on_error",
      isShareable,
      accepts: (generation) => accepts(maxAgeMs, generation),
      moment: invalidations.now,
      fill,
      waitUntil: c.get("waitUntil"),
    };
  };

  const send = (
    { c, reject }: CacheRequest,
    response: FillResult | Entry["response"],
    status: CacheStatus,
    ageS?: number,
  ): MaybePromise<Response> => {
    const cacheStatus = writeCacheStatus(name, status);
    if (!isProblem(response)) return respond(c, response, cacheStatus, ageS);
    return reject({ ...response, headers: { ...response.headers, ...cacheFields({}, cacheStatus, ageS) } });
  };

  const sendEntry = (request: CacheRequest, entry: Entry, status: CacheStatus): MaybePromise<Response> => {
    const ageMs = ageOf(entry);
    const ttlS = Math.floor((entry.windows.freshMs - ageMs) / S);
    request.c.set("cacheOutcome", outcomeOf(status));
    return send(request, entry.response, { ...status, ttlS }, Math.ceil(ageMs / S));
  };

  const sendResult = (request: CacheRequest, result: FillResult, status: CacheStatus) => {
    request.c.set("cacheOutcome", isFailure(result) ? "failed" : "miss");
    return send(request, result, status);
  };

  /** Why a request is not answered by the entry (RFC 9211 §2.2). */
  const forwardReason = (entry: Entry | undefined): "miss" | "request" | "stale" => {
    if (entry === undefined) return "miss";
    return isFresh(entry) && accepts(Number.POSITIVE_INFINITY, entry) ? "request" : "stale";
  };

  const waitForFill = async (request: CacheRequest, waiter: Waiter, use: Use, old?: Entry) => {
    const { c } = request;
    const filling = fillRequest(request, use, old);
    const untilMs =
      use === "last_resort"
        ? Math.min(now() + LAST_RESORT_WAIT_MS, waiter.deadlineAtMs - LAST_MOMENT_MS)
        : undefined;
    const joined = await fills.join(filling, waiter, untilMs);
    const received = joined?.result;
    if (old && mayReplaceFailure(old) && (joined === undefined || (received && isFailure(received)))) {
      discard(c, received);
      const status: CacheStatus =
        received === undefined ? { hit: true } : { forward: "stale", forwardStatus: resultStatus(received) };
      return sendEntry(request, old, { ...status, detail: "stale-if-error" });
    }
    discard(c, old?.response);
    const forward = forwardReason(old);
    // A request whose entry has expired in the meantime waits on.
    const last = joined ?? (old && (await fills.join({ ...filling, hasAlternative: false }, waiter)));
    if (last === undefined) return sendResult(request, problem("deadline_exceeded"), { forward });
    const { result, entry, collapsed } = last;
    if (result !== undefined)
      return sendResult(request, result, { forward, stored: entry !== undefined, collapsed });
    const detail = isFresh(entry) ? {} : ({ detail: "stale-while-revalidate" } as const);
    return sendEntry(request, entry, { hit: true, collapsed, ...detail });
  };

  const wait = (request: CacheRequest, use: Use, entry?: Entry): Promise<Response> => {
    const waiter = request.waiter();
    return waitForFill(request, waiter, use, entry).finally(() => waiter.leave?.());
  };

  const serve = (request: CacheRequest, entry: Entry | undefined): MaybePromise<Response> => {
    if (entry === undefined) return wait(request, "expired");
    const use = useOf(request, entry);
    if (use === "fresh") return sendEntry(request, entry, { hit: true });
    if (use !== "revalidate") return wait(request, use, entry);
    fills.refresh(fillRequest(request, use, entry));
    return sendEntry(request, entry, { hit: true, detail: "stale-while-revalidate" });
  };

  /** At the edge, the response to a write names the tags that it invalidates. */
  const takeInvalidations = ({ headers }: Response): void => {
    const tags = headers.get(internalHeaders.invalidated);
    if (tags === null) return;
    invalidations.invalidate(readTags(tags));
    headers.delete(internalHeaders.invalidated);
  };

  return {
    invalidate: invalidations.invalidate,
    handler: (port) => {
      const reject = port.reject ?? ((c, rejected) => problemResponse(rejected, c.get("requestId")));

      const bypass = async (c: Parameters<typeof reject>[0], isCacheable: boolean): Promise<Response> => {
        const result = await port.fill(c, { isShared: false });
        if (isProblem(result)) return await reject(c, result);
        if (result instanceof Response) takeInvalidations(result);
        if (isCacheable) return respond(c, result, writeCacheStatus(name, { forward: "bypass" }));
        return result instanceof Response ? result : new Response(result.body, result);
      };

      const keyOf = (c: Parameters<typeof reject>[0], route: CacheableRoute): string | undefined => {
        const target = port.target === undefined ? c.get("target") : port.target(c);
        return target && route.key(target, (name) => c.req.header(name));
      };

      return function responseCache(c) {
        const route = compiled(port.route(c));
        const field = port.cacheControl?.(c);
        const directives = field === undefined ? undefined : readCacheControl(field);
        const isStorable = route !== undefined && directives?.has("no-store") !== true;
        const key = isStorable ? keyOf(c, route) : undefined;
        if (!isStorable || key === undefined) return bypass(c, route !== undefined);
        const maxAgeS = directives?.has("no-cache") ? 0 : directives?.get("max-age");
        const request: CacheRequest = {
          c,
          route,
          key,
          maxAgeMs: maxAgeS === undefined ? Number.POSITIVE_INFINITY : maxAgeS * S,
          fill: (fillOptions) => port.fill(c, fillOptions),
          waiter: () => port.waiter(c),
          reject: (rejected) => reject(c, rejected),
        };
        const entry = store.get(key);
        return entry instanceof Promise
          ? entry.then((found) => serve(request, found))
          : serve(request, entry);
      };
    },
  };
};
