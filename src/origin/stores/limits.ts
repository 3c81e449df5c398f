/** The limiter's store over the origin's own Redis connection, for an origin that runs the guards itself. */

import type { LimitStore } from "../../middleware/rate-limit/limit-store.ts";
import { createRedisLimitStore } from "../../middleware/rate-limit/limit-store.ts";
import type { RedisStore } from "../redis/store.ts";

export const limitStoreOf = (redis: RedisStore, keyPrefix: string, scriptFlags?: string): LimitStore =>
  createRedisLimitStore({
    keyPrefix,
    scriptFlags,
    run: (command, script, keys, values) =>
      command === "EVAL" ? redis.evaluate(script, keys, values) : redis.evaluateKnown(script, keys, values),
  });
