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
  type FillResult,
  freshnessOf,
  type Generation,
  isFailure,
  isLastResort,
  readCacheControl,
  resultStatus,
  secondsOf,
} from "./entry.ts";
import { type CacheRequest, type FillOptions, fillRequest, type Use } from "./fill.ts";
import { createInvalidations, readTags } from "./invalidations.ts";
import type { CacheStore, Fills, Joined, Waiter } from "./ports.ts";
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

/** What the cache needs of a tier's requests. */
export interface CachePort<C extends CacheContext> {
  route(c: C): CacheRoute;
  /** Makes the response. Failures are problems, not exceptions: then a stale entry replaces them. */
  fill(c: C, options: FillOptions): Promise<FillResult>;
  waiter(c: C): Waiter;
  /** The Cache-Control of another cache before this one. A client's own is ignored. @default none */
  cacheControl?(c: C): string | undefined;
  /** @default `problemResponse` */
  reject?(c: C, problem: Problem): MaybePromise<Response>;
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
  handler<C extends CacheContext>(port: CachePort<C>): (c: C) => MaybePromise<Response>;
  /** From now on, no response is served that was made before under one of the tags, unless none can be made at all. */
  invalidate(tags: readonly string[]): void;
}

/** Before the deadline, an entry is used instead of a response that has not come, milliseconds. */
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

  const accepts = (maxAgeMs: number, generation: Generation): boolean =>
    ageOf(generation) < maxAgeMs && !invalidations.isInvalidated(generation.tags, generation.asOfMs);

  const fillDeps = { tier, store, invalidations, accepts, now, random };

  const isFresh = (entry: Entry): boolean => ageOf(entry) < entry.windows.freshMs;

  const useOf = ({ maxAgeMs }: CacheRequest, entry: Entry): Use => {
    if (accepts(maxAgeMs, entry)) return freshnessOf(ageOf(entry), entry.windows);
    return isLastResort(ageOf(entry), entry.windows) ? "last_resort" : "expired";
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

  const sendResult = (
    request: CacheRequest,
    result: FillResult,
    status: CacheStatus,
  ): MaybePromise<Response> => {
    request.c.set("cacheOutcome", isFailure(result) ? "failed" : "miss");
    return send(request, result, status);
  };

  /** Why a request is not answered by the entry (RFC 9211 §2.2). */
  const forwardReason = (entry: Entry | undefined): "miss" | "request" | "stale" => {
    if (entry === undefined) return "miss";
    return isFresh(entry) && accepts(Number.POSITIVE_INFINITY, entry) ? "request" : "stale";
  };

  const sendJoined = (
    request: CacheRequest,
    { result, entry, collapsed }: Joined,
    forward: "miss" | "request" | "stale",
  ): MaybePromise<Response> => {
    if (result !== undefined)
      return sendResult(request, result, { forward, stored: entry !== undefined, collapsed });
    const detail = isFresh(entry) ? {} : ({ detail: "stale-while-revalidate" } as const);
    return sendEntry(request, entry, { hit: true, collapsed, ...detail });
  };

  const waitForFill = async (
    request: CacheRequest,
    waiter: Waiter,
    use: Use,
    entry?: Entry,
  ): Promise<Response> => {
    const { c } = request;
    const filling = fillRequest(fillDeps, request, use, entry);
    const untilMs = use === "last_resort" ? waiter.deadlineAtMs - LAST_MOMENT_MS : undefined;
    const joined = await fills.join(filling, waiter, untilMs);
    const result = joined?.result;
    const isFailed = joined === undefined || (result !== undefined && isFailure(result));
    if (isFailed && entry !== undefined && isLastResort(ageOf(entry), entry.windows)) {
      discard(c, result);
      const status: CacheStatus =
        result === undefined ? { hit: true } : { forward: "stale", forwardStatus: resultStatus(result) };
      return await sendEntry(request, entry, { ...status, detail: "stale-if-error" });
    }
    discard(c, entry?.response);
    const forward = forwardReason(entry);
    // Patience is for requests with an entry; this one's has expired in the meantime.
    const isOver = joined === undefined && entry === undefined;
    const last = isOver
      ? undefined
      : (joined ?? (await fills.join({ ...filling, hasAlternative: false }, waiter)));
    return last === undefined
      ? await sendResult(request, problem("deadline_exceeded"), { forward })
      : await sendJoined(request, last, forward);
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
    fills.refresh(fillRequest(fillDeps, request, use, entry));
    return sendEntry(request, entry, { hit: true, detail: "stale-while-revalidate" });
  };

  /** At the edge, the responses to writes name the tags that they invalidate. */
  const takeInvalidations = (response: FillResult): void => {
    if (tier === "origin" || !(response instanceof Response)) return;
    const tags = response.headers.get(internalHeaders.invalidated);
    if (tags === null) return;
    invalidations.invalidate(readTags(tags));
    response.headers.delete(internalHeaders.invalidated);
  };

  return {
    invalidate: invalidations.invalidate,
    handler: (port) => {
      const reject = port.reject ?? ((c, rejected) => problemResponse(rejected, c.get("requestId")));

      const bypass = async (c: Parameters<typeof reject>[0], isCacheable: boolean): Promise<Response> => {
        const result = await port.fill(c, { isShared: false });
        if (isProblem(result)) return await reject(c, result);
        takeInvalidations(result);
        if (isCacheable) return respond(c, result, writeCacheStatus(name, { forward: "bypass" }));
        return result instanceof Response ? result : new Response(result.body, result);
      };

      return function responseCache(c) {
        const route = compiled(port.route(c));
        const field = port.cacheControl?.(c);
        const directives = field === undefined ? undefined : readCacheControl(field);
        const isCached = route !== undefined && directives?.has("no-store") !== true;
        const key = isCached ? route.key(c.get("target"), (name) => c.req.header(name)) : undefined;
        if (!isCached || key === undefined) return bypass(c, route !== undefined);
        const maxAgeS = directives?.has("no-cache") ? 0 : directives && secondsOf(directives, "max-age");
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
