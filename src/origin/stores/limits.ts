/** The limiter's store over the origin's own Redis connection, for an origin that runs the guards itself. */
import { createRedisLimitStore } from "../../middleware/rate-limit/limiter/redis-limit-store.ts";
import type { LimitStore } from "../../middleware/rate-limit/limiter/store.ts";
import type { RedisStore } from "../data/redis.ts";

export const limitStoreOf = (redis: RedisStore, keyPrefix: string, scriptFlags?: string): LimitStore =>
  createRedisLimitStore({
    keyPrefix,
    scriptFlags,
    run: (command, script, keys, values) =>
      command === "EVAL" ? redis.evaluate(script, keys, values) : redis.evaluateKnown(script, keys, values),
  });
