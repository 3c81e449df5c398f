/** The limiter's store over the origin's drivers for Redis: for an origin that mounts the guards itself. */
import { pino } from "pino";
import { describe } from "vitest";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { publishedOverridesName } from "../../src/middleware/rate-limit/limit-store.ts";
import { limitStoreOf } from "../../src/origin/guards.ts";
import { connectRedis } from "../../src/origin/redis/store.ts";
import { type LimitStoreUnderTest, limitStoreTests } from "../support/limit-store-suite.ts";
import {
  noRedis,
  type RedisDriver,
  redisAdmin,
  redisDrivers,
  startRedisServer,
} from "./support/redis-server.ts";

const log = pino({ level: "silent" });

const over = async (driver: RedisDriver): Promise<LimitStoreUnderTest> => {
  const stops = new CleanupStack();
  const server = await startRedisServer(stops);
  const route = await driver.route(server.url, stops);
  const keyPrefix = `conformance:${crypto.randomUUID()}:`;
  const admin = redisAdmin(server.url, stops);
  stops.add(async () => {
    const left = await admin.keys(`${keyPrefix}*`);
    if (left.length > 0) await admin.del(...left);
  });
  const store = () => {
    const redis = connectRedis(route.url, route.token, log);
    stops.add(() => redis.close());
    return limitStoreOf(redis, keyPrefix);
  };
  const nameOf = (bucket: string): string => `${keyPrefix}limit:${bucket}`;
  return {
    stores: [store(), store()],
    override: async (field, text) => void (await admin.hset(publishedOverridesName(keyPrefix), field, text)),
    write: async (bucket, text) => void (await admin.set(nameOf(bucket), text)),
    keptForMs: (bucket) => admin.pttl(nameOf(bucket)),
    stop: () => stops.runAll(),
  };
};

describe.skipIf(noRedis !== undefined)("the limiter's store", () => {
  for (const driver of redisDrivers) limitStoreTests(driver.name, () => over(driver));
});
