/** What the shared guards need at the edge: Redis over HTTP, origins as the second source, and the Worker's own clock. */
import type { GuardDeps } from "../middleware/guards.ts";
import { createRateLimiter } from "../middleware/rate-limit/limiter.ts";
import type { Breaker } from "../resilience/circuit-breaker/circuit-breaker.ts";
import type { EdgeDeps } from "./app.ts";
import { edgeBlocklistSource } from "./stores/blocklist.ts";
import { edgeKeyLookup } from "./stores/key-lookup.ts";
import { edgeLimitStore } from "./stores/limits.ts";
import { isRedisRefusal, type RedisCommand } from "./stores/redis.ts";
import { type ActiveTrace, tracedRedis } from "./telemetry/tracing.ts";
import type { OriginClient } from "./upstream/client.ts";

export interface EdgeGuardDeps extends EdgeDeps, Pick<GuardDeps, "recordEvent" | "observe"> {
  readonly client: OriginClient;
  readonly redisBreaker: Breaker;
}

export const edgeGuardDeps = (deps: EdgeGuardDeps): GuardDeps => {
  const { config, client, bulkRedis, redisBreaker: breaker, now, telemetry } = deps;
  const { REDIS_KEY_PREFIX: keyPrefix } = config;
  const redis = traced(deps.redis, telemetry.active, now);
  return {
    ...deps,
    // The list is loaded for all requests, so it is in none's trace.
    loadBlocklist: bulkRedis && edgeBlocklistSource({ ...deps, bulkRedis, breaker, keyPrefix }),
    lookUpKey: edgeKeyLookup({ redis, breaker, keyPrefix, client, activeTrace: telemetry.active.get }),
    limiter: createRateLimiter({
      options: { leaseMs: config.RATE_LIMIT_LEASE_MS, deadlineMs: config.REDIS_TIMEOUT_MS },
      store: edgeLimitStore(redis, config),
      breaker,
      judge: (error) => (isRedisRefusal(error) ? "success" : "failure"),
      now,
    }),
  };
};

const traced = (redis: RedisCommand, active: ActiveTrace, now: () => number): RedisCommand =>
  tracedRedis(redis, active, now);
