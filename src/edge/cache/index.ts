import type { MiddlewareHandler } from "hono";
import { createMiddleware } from "hono/factory";
import type { EdgeEnv } from "../env.ts";
import type { ProxyHandler } from "../upstream/proxy.ts";
import { type CachedForwardDependencies, cachedForward } from "./cached-forward.ts";

export const responseCache = (
  upstream: ProxyHandler,
  deps: CachedForwardDependencies,
): MiddlewareHandler<EdgeEnv> => {
  const cached = cachedForward(upstream, deps);
  return createMiddleware<EdgeEnv>(function responseCache(c) {
    return cached(c);
  });
};
