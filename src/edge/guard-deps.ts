/** The edge's sources for the shared guards: Redis over HTTP, and the origins as a second source. */
import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import type { LoadBlocklist } from "../middleware/blocklist/snapshot.ts";
import type { GuardDeps } from "../middleware/guards.ts";
import { createRedisLimitStore } from "../middleware/rate-limit/limit-store.ts";
import { createRateLimiter } from "../middleware/rate-limit/limiter.ts";
import type { Breaker } from "../resilience/circuit-breaker/circuit-breaker.ts";
import type { EdgeDeps } from "./app.ts";
import { edgeBlocklistSource } from "./stores/blocklist.ts";
import { edgeKeyLookup } from "./stores/key-lookup.ts";
import { isRedisRefusal, tracedRedis } from "./stores/redis.ts";
import type { OriginClient } from "./upstream/client.ts";

interface EdgeGuardDeps extends EdgeDeps, Pick<GuardDeps, "recordEvent" | "observe"> {
  readonly client: OriginClient;
  readonly redisBreaker: Breaker;
}

export const edgeGuardDeps = (deps: EdgeGuardDeps): GuardDeps => {
  const { config, client, bulkRedis, redisBreaker: breaker, now } = deps;
  const { REDIS_KEY_PREFIX: keyPrefix, REDIS_SCRIPT_FLAGS: scriptFlags } = config;
  const redis = tracedRedis(deps.redis);
  const loadBlocklist = bulkRedis && edgeBlocklistSource({ ...deps, bulkRedis, breaker, keyPrefix });
  return {
    ...deps,
    loadBlocklist: loadBlocklist && withoutTrace(loadBlocklist),
    lookUpKey: edgeKeyLookup({ redis, breaker, keyPrefix, client }),
    limiter: createRateLimiter({
      options: { leaseMs: config.RATE_LIMIT_LEASE_MS, deadlineMs: config.REDIS_TIMEOUT_MS },
      store: createRedisLimitStore({
        keyPrefix,
        scriptFlags,
        run: (command, script, keys, values) => redis(command, script, keys.length, ...keys, ...values),
      }),
      breaker,
      judge: (error) => (isRedisRefusal(error) ? "success" : "failure"),
      now,
    }),
  };
};

/** The list is loaded for all requests, so it belongs to no request's trace. */
const withoutTrace =
  (load: LoadBlocklist): LoadBlocklist =>
  (current, c) =>
    context.with(ROOT_CONTEXT, () => load(current, c));
