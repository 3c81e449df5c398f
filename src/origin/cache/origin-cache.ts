/** The cache of a process, as its configuration and the contract have it. */
import type { Routes } from "../../contract/route.ts";
import { lifetimeMs } from "../../middleware/response-cache/freshness.ts";
import type { OriginConfiguration } from "../config/configuration.ts";
import type { OriginLog } from "../log/log.ts";
import type { RedisStore } from "../redis/store.ts";
import { type AnswerCache, createAnswerCache } from "./answer-cache.ts";
import { cachedRoute } from "./cached-route.ts";
import { createLevelOne } from "./level-one.ts";
import { createLevelTwo } from "./level-two.ts";

export interface OriginCache {
  readonly cache: AnswerCache;
  /** For cacheable routes whose contract names no freshness, seconds. */
  readonly defaultFreshS: number;
  /** Tells Redis what it could not be told before. */
  flush(): Promise<void>;
}

export interface OriginCacheDependencies {
  readonly routes: Routes;
  readonly redis: RedisStore;
  readonly log: OriginLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
}

export const createOriginCache = (
  { cache, redis: { keyPrefix }, observability }: OriginConfiguration,
  { routes, redis, log, now, random }: OriginCacheDependencies,
): OriginCache => {
  const defaultFreshS = Math.round(cache.ttlMs / 1000);
  const lifetimesMs = Object.entries(routes).map(([name, route]) => {
    const cached = cachedRoute(name, route, defaultFreshS);
    return cached === undefined ? 0 : lifetimeMs(cached.windows);
  });
  const levelTwo = createLevelTwo({
    redis,
    keyPrefix,
    programVersion: observability.serviceVersion,
    longestLifetimeMs: Math.max(0, ...lifetimesMs),
    log,
    now,
  });
  const levelOne = createLevelOne(cache.maxSize);
  return {
    cache: createAnswerCache({ levelOne, levelTwo, now, random }),
    defaultFreshS,
    flush: () => levelTwo.flush(),
  };
};
