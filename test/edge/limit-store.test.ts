/** The limiter's store over the embedded Redis, and over its mock. */
import { expect, test } from "vitest";
import { type RedisClient, startRedis } from "../../src/local/redis.ts";
import { createRedisMock } from "../../src/local/redis-mock.ts";
import { startUpstashBridge } from "../../src/local/upstash-bridge.ts";
import type { BucketAsk, BucketReply } from "../../src/middleware/rate-limit/limit-store.ts";
import { MemoryLimitStore } from "../middleware/rate-limit/simulation/memory-limit-store.ts";
import { seededRandom } from "../resilience/concurrency-limit/support/random.ts";
import { overRest } from "../support/limit-store-places.ts";
import { type LimitStoreUnderTest, limitStoreTests } from "../support/limit-store-suite.ts";

/** Over a bridge, as at the edge. */
const behindBridge = async (client: RedisClient, stop: () => unknown): Promise<LimitStoreUnderTest> => {
  const bridge = await startUpstashBridge({ client, token: "token" });
  const under = overRest(bridge.url, "token");
  return {
    ...under,
    stop: async () => {
      await under.stop();
      await bridge.stop();
      await stop();
    },
  };
};

const embedded = async (): Promise<LimitStoreUnderTest> => {
  const redis = await startRedis();
  return await behindBridge(redis.client, redis.stop);
};

limitStoreTests("the embedded Redis", embedded);

limitStoreTests("the mock of Redis", async () => {
  const redis = await createRedisMock();
  return await behindBridge(redis.client, redis.stop);
});

test("the simulation's store gives the same results as the script", async () => {
  const under = await embedded();
  const twin = new MemoryLimitStore(() => 0);
  const random = seededRandom(20);
  const upTo = (most: number): number => Math.floor(random() * (most + 1));
  try {
    for (let turn = 0; turn < 300; turn += 1) {
      const buckets = ["a", "b", "c", "d"].filter(() => random() < 0.5);
      const asks = buckets.map((name): BucketAsk => {
        // The refill is so slow that the time of the call does not matter.
        const rule = { capacity: 20 + upTo(3_000), refillPerSecond: 1e-6 };
        const numbers = { need: upTo(12), want: upTo(60), share: 0.25 + 0.75 * random() };
        return { bucket: name, overrideField: undefined, rule, isDryRun: random() < 0.2, ...numbers };
      });
      if (asks.length === 0) continue;
      const summary = ({ granted, available, waitMs }: BucketReply) => ({
        granted,
        available: Math.round(available),
        isShort: waitMs > 0,
      });
      expect((await under.stores[0].take(asks)).map(summary)).toEqual(twin.take(asks).map(summary));
    }
  } finally {
    await under.stop();
  }
});
