/** A request that may be answered from the edge's cache. */

import type { Context } from "hono";
import type { EdgeRoute } from "../../contract/edge-manifest.ts";
import { tagsFor } from "../../middleware/response-cache/tags.ts";
import type { EdgeEnv } from "../env.ts";
import { cacheKeys } from "./cache-key.ts";

export interface Asked {
  readonly c: Context<EdgeEnv>;
  readonly key: string;
  readonly tags: readonly string[];
  /** Whether what an origin answers to it may be kept: HEAD is answered without a body. */
  readonly isWhole: boolean;
}

/** @returns what a request asks of the cache; undefined where it goes to an origin in any case */
export const askedOfCache = (): ((c: Context<EdgeEnv>) => Asked | undefined) => {
  /** What is the same for each request of a route; as many as there are routes. */
  const compiled = new Map<
    EdgeRoute,
    { readonly keyOf: ReturnType<typeof cacheKeys>; readonly tagsOf: (path: string) => readonly string[] }
  >();

  const of = (route: EdgeRoute) => {
    const known = compiled.get(route);
    if (known !== undefined) return known;
    const made = { keyOf: cacheKeys(route), tagsOf: tagsFor(route) };
    compiled.set(route, made);
    return made;
  };

  return (c) => {
    const { keyOf, tagsOf } = of(c.get("route").route);
    const { origin, path, query } = c.get("target");
    const key = keyOf?.({ origin, path, query, headers: c.req.raw.headers });
    return key === undefined ? undefined : { c, key, tags: tagsOf(path), isWhole: c.req.method === "GET" };
  };
};
