/** A fill: the response is made, and stored if it may be. */
import { isProblem, type Problem } from "../../contract/problem.ts";
import type { CacheableRoute } from "./cacheable.ts";
import { type Entry, entryOf, type FillResult, type Freshness, type Generation } from "./entry.ts";
import type { Invalidations } from "./invalidations.ts";
import type { CacheStore, Filled, FillRequest, Waiter } from "./ports.ts";
import type { CacheContext } from "./respond.ts";

export interface FillOptions {
  /**
   * The response is for any number of requests: it must not depend on If-None-Match, nor on anything else that belongs to
   * one client, and must not end with its request.
   */
  readonly isShared: boolean;
  /** For the next cache (RFC 9111 §5.2.1). */
  readonly cacheControl?: string | undefined;
  /** Aborts when no request waits for the response any more. */
  readonly signal?: AbortSignal | undefined;
}

/** A request that the cache may answer. */
export interface CacheRequest {
  readonly c: CacheContext;
  readonly route: CacheableRoute;
  readonly key: string;
  /** Accepted of a response, milliseconds. */
  readonly maxAgeMs: number;
  readonly fill: (options: FillOptions) => Promise<FillResult>;
  readonly waiter: () => Waiter;
  readonly reject: (problem: Problem) => Response | Promise<Response>;
}

/** How an entry may be used: `last_resort` only if no newer response can be made. */
export type Use = Freshness | "last_resort";

export interface FillDeps {
  readonly tier: "edge" | "origin";
  readonly store: CacheStore;
  readonly invalidations: Invalidations;
  readonly accepts: (maxAgeMs: number, generation: Generation) => boolean;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
}

/** @param entry the one that the fill replaces */
export const fillRequest = (deps: FillDeps, request: CacheRequest, use: Use, entry?: Entry): FillRequest => {
  const { tier, store, invalidations, accepts, now, random } = deps;
  const { c, key, route, maxAgeMs } = request;
  const tags = route.tags(c.get("target").path);
  const isShareable = tier === "origin" || c.req.method === "GET";
  // The next cache's own stale response would be no newer than this entry.
  const freshS = use === "revalidate" && entry ? Math.floor(entry.windows.freshMs / 1_000) : undefined;
  const sinceWriteS = invalidations.maxAgeS(tags);
  const maxAgeS = freshS === undefined ? sinceWriteS : Math.min(freshS, sinceWriteS ?? freshS);

  const fill = async (signal?: AbortSignal): Promise<Filled> => {
    const options = { atMs: now(), asOfMs: invalidations.now(), maxAgeS, tags, random: random() };
    const cacheControl = maxAgeS === undefined ? undefined : `max-age=${maxAgeS}`;
    const result = await request.fill({ isShared: true, cacheControl, signal });
    const { negativeMs } = route;
    const made = isShareable ? entryOf(result, { ...options, negativeMs }) : undefined;
    if (made === undefined || invalidations.isInvalidated(tags, made.asOfMs)) return { result };
    const { response } = made;
    // A stream can be read once: the client gets one, the store another.
    const isStream = result instanceof Response && !isProblem(response);
    const stored = isStream ? { ...made, response: { ...response, body: result.clone().body } } : made;
    return { result, entry: made, storing: store.put(key, stored) ?? undefined };
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
