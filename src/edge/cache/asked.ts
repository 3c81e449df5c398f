/** A request that may be answered from the edge's cache. */
import type { EdgeRoute } from "../../contract/edge-manifest.ts";
import { routed } from "../../middleware/exchange.ts";
import { tagsFor } from "../../middleware/response-cache/tags.ts";
import type { EdgeExchange } from "../edge-exchange.ts";
import { cacheKeys } from "./cache-key.ts";

export interface Asked {
  readonly exchange: EdgeExchange;
  readonly key: string;
  readonly tags: readonly string[];
  /** Whether what an origin answers to it may be kept: HEAD is answered without a body. */
  readonly isWhole: boolean;
}

/** @returns what a request asks of the cache; undefined where it goes to an origin in any case */
export const askedOfCache = (): ((exchange: EdgeExchange) => Asked | undefined) => {
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

  return (exchange) => {
    const { keyOf, tagsOf } = of(routed(exchange).entry.route);
    const { origin, path, query, request } = exchange;
    const key = keyOf?.({ origin, path, query, headers: request.headers });
    return key === undefined
      ? undefined
      : { exchange, key, tags: tagsOf(path), isWhole: request.method === "GET" };
  };
};
