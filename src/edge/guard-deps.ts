/** What the shared guards need at the edge: Redis over HTTP, origins as the second source, and the Worker's own clock. */
import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import type { LoadBlocklist } from "../middleware/blocklist/snapshot.ts";
import type { GuardDeps } from "../middleware/guards.ts";
import { createRateLimiter } from "../middleware/rate-limit/limiter.ts";
import type { Breaker } from "../resilience/circuit-breaker/circuit-breaker.ts";
import type { EdgeDeps } from "./app.ts";
import { edgeBlocklistSource } from "./stores/blocklist.ts";
import { edgeKeyLookup } from "./stores/key-lookup.ts";
import { edgeLimitStore } from "./stores/limits.ts";
import { isRedisRefusal } from "./stores/redis.ts";
import { tracedRedis } from "./stores/traced-redis.ts";
import type { OriginClient } from "./upstream/client.ts";

export interface EdgeGuardDeps extends EdgeDeps, Pick<GuardDeps, "recordEvent" | "observe"> {
  readonly client: OriginClient;
  readonly redisBreaker: Breaker;
}

export const edgeGuardDeps = (deps: EdgeGuardDeps): GuardDeps => {
  const { config, client, bulkRedis, redisBreaker: breaker, now } = deps;
  const { REDIS_KEY_PREFIX: keyPrefix } = config;
  const redis = tracedRedis(deps.redis);
  const loadBlocklist = bulkRedis && edgeBlocklistSource({ ...deps, bulkRedis, breaker, keyPrefix });
  return {
    ...deps,
    loadBlocklist: loadBlocklist && inNoTrace(loadBlocklist),
    lookUpKey: edgeKeyLookup({ redis, breaker, keyPrefix, client }),
    limiter: createRateLimiter({
      options: { leaseMs: config.RATE_LIMIT_LEASE_MS, deadlineMs: config.REDIS_TIMEOUT_MS },
      store: edgeLimitStore(redis, config),
      breaker,
      judge: (error) => (isRedisRefusal(error) ? "success" : "failure"),
      now,
    }),
  };
};

/** The list is loaded for all requests, so it is in the trace of none. */
const inNoTrace =
  (load: LoadBlocklist): LoadBlocklist =>
  (known, c) =>
    context.with(ROOT_CONTEXT, () => load(known, c));
