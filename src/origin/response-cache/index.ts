/** The response cache of an origin process: memory, then Redis, which all origins share. */
import type { CacheRoute } from "../../middleware/response-cache/cacheable.ts";
import { lifetimeMs, windowsOf } from "../../middleware/response-cache/freshness.ts";
import { createResponseCache, type ResponseCache } from "../../middleware/response-cache/index.ts";
import type { CacheSize } from "../config/values.ts";
import { createMemoryStore, type MemoryStore } from "./memory.ts";
import { createRedisEntries, type RedisEntriesOptions } from "./redis.ts";
import { createSharedFills } from "./shared-fills.ts";

export interface OriginResponseCache extends ResponseCache, Pick<MemoryStore, "usage"> {
  /** Publishes the invalidations that Redis does not know yet. */
  flush(): Promise<void>;
}

export interface OriginResponseCacheOptions extends Omit<RedisEntriesOptions, "maxLifetimeMs"> {
  readonly routes: readonly CacheRoute[];
  readonly size: CacheSize;
  /** For policies without a freshness, seconds. */
  readonly defaultFreshS: number;
  /** Within [0, 1). */
  readonly random: () => number;
}

export const createOriginResponseCache = (options: OriginResponseCacheOptions): OriginResponseCache => {
  const { routes, size, defaultFreshS, now, random } = options;
  const lifetimesMs = routes.map(({ policy }) =>
    policy.cache === undefined ? 0 : lifetimeMs(windowsOf(policy.cache, defaultFreshS)),
  );
  const memory = createMemoryStore(size);
  const redis = createRedisEntries({ ...options, maxLifetimeMs: Math.max(0, ...lifetimesMs) });
  const fills = createSharedFills(memory, redis, now);
  const cache = createResponseCache({ tier: "origin", store: memory, fills, now, random, defaultFreshS });
  return {
    handler: cache.handler,
    invalidate: (tags) => {
      cache.invalidate(tags);
      redis.invalidate(tags);
    },
    flush: redis.flush,
    usage: memory.usage,
  };
};
