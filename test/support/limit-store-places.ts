/** The limiter's stores under test. */

import { createRedis, type RedisReply } from "../../src/edge/stores/redis.ts";
import {
  createRedisLimitStore,
  publishedOverridesName,
} from "../../src/middleware/rate-limit/limit-store.ts";
import type { LimitStoreUnderTest } from "./limit-store-suite.ts";

/** Over the REST protocol, as at the edge. Works in Node and in workerd. */
export const overRest = (url: string, token: string): LimitStoreUnderTest => {
  const keyPrefix = `test-${crypto.randomUUID()}:`;
  const names = new Set<string>();
  const redis = createRedis({ url, token, timeoutMs: 5_000 });
  const store = () =>
    createRedisLimitStore({
      keyPrefix,
      run: (command, script, keys, values) => {
        for (const key of keys) names.add(key);
        return redis(command, script, keys.length, ...keys, ...values);
      },
    });
  const nameOf = (bucket: string): string => {
    const name = `${keyPrefix}limit:${bucket}`;
    names.add(name);
    return name;
  };
  const done = async (reply: Promise<RedisReply>): Promise<void> => void (await reply);
  return {
    stores: [store(), store()],
    override: (field, text) => done(redis("HSET", publishedOverridesName(keyPrefix), field, text)),
    write: (bucket, text) => done(redis("SET", nameOf(bucket), text)),
    keptForMs: async (bucket) => Number(await redis("PTTL", nameOf(bucket))),
    stop: async () => {
      for (const name of [...names, publishedOverridesName(keyPrefix)]) await redis("DEL", name);
    },
  };
};
