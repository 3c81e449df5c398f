/** The rate limiter's store at the edge: Redis over HTTP. */

import { createRedisLimitStore, type LimitStore } from "../../middleware/rate-limit/limit-store.ts";
import type { EdgeConfig } from "../config.ts";
import type { RedisCommand } from "./redis.ts";

export const edgeLimitStore = (
  redis: RedisCommand,
  { REDIS_KEY_PREFIX: keyPrefix, REDIS_SCRIPT_FLAGS: scriptFlags }: EdgeConfig,
): LimitStore =>
  createRedisLimitStore({
    keyPrefix,
    scriptFlags,
    run: (command, script, keys, values) => redis(command, script, keys.length, ...keys, ...values),
  });
