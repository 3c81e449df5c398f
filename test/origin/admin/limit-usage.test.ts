/** `limits usage`, on buckets that the limiter's own script has made. */
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { contract } from "../../../src/contract/contract.ts";
import { limitsOf } from "../../../src/contract/route.ts";
import { isOnPath } from "../../../src/local/child-process.ts";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { startRedis } from "../../../src/local/redis.ts";
import { startUpstashBridge } from "../../../src/local/upstash-bridge.ts";
import { limitKey } from "../../../src/middleware/rate-limit/limit-store.ts";
import { bucketUsage, limitsCommand } from "../../../src/origin/admin/limits.ts";
import type { Database } from "../../../src/origin/db/database.ts";
import { limitStoreOf } from "../../../src/origin/guards.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { connectRedis } from "../../../src/origin/redis/store.ts";

/** With all characters that are special in Redis's patterns; the mock knows no escapes. */
const PREFIXES = { "redis-server": "a*b[c]?\\d:", "ioredis-mock": "a:" };

const kinds = isOnPath("redis-server")
  ? (["redis-server", "ioredis-mock"] as const)
  : (["ioredis-mock"] as const);

describe.each(kinds)("with %s", (kind) => {
  const PREFIX = PREFIXES[kind];
  let overrides: readonly object[] = [];
  beforeEach(() => {
    overrides = [];
  });

  const pool: Database = {
    query: async <Row extends object>() => overrides.filter((row): row is Row => row !== undefined),
    transaction: () => Promise.reject(new Error("not used")),
  };

  const start = async () => {
    vi.stubEnv("BREAKWATER_EMBEDDED_REDIS", kind === "ioredis-mock" ? "mock" : "");
    const cleanups = new CleanupStack();
    onTestFinished(async () => {
      vi.unstubAllEnvs();
      await cleanups.runAll();
    });
    const local = await startRedis();
    cleanups.add(() => local.stop());
    const bridge = await startUpstashBridge({ client: local.client, token: "t" });
    cleanups.add(() => bridge.stop());
    const redis = connectRedis(bridge.url, bridge.token, createLog("silent"));
    cleanups.add(() => redis.close());
    const store = limitStoreOf(redis, PREFIX);
    /** Takes tokens of a limit as its clients do. */
    const take = async (name: string, need: number, network: string, principal?: string): Promise<void> => {
      const limit = limitsOf(contract).get(name);
      if (limit === undefined) throw new Error(`no limit ${name}`);
      const { bucket } = limitKey(limit, { network, principal });
      const ask = { need, want: need, share: 1, isDryRun: false, overrideField: undefined };
      await store.take([{ bucket, rule: limit, ...ask }]);
    };
    const context = { pool, redis, keyPrefix: PREFIX, routes: contract };
    const lines = async (...args: string[]): Promise<string[]> => {
      const printed: string[] = [];
      await limitsCommand.run({ ...context, print: (line) => void printed.push(line) }, ["usage", ...args]);
      return printed;
    };
    return { redis, take, context, lines };
  };

  test("buckets are listed, the busiest first, by limit and client", async () => {
    const { redis, take, context, lines } = await start();
    expect(await lines()).toEqual(["every bucket is full"]);
    await take("orders", 200, "2001:db8::/64");
    await take("account", 500, "192.0.2.1", "alice:the first");
    await redis.set("other:limit:catalogue:c:192.0.2.1", "100 1", 60_000);
    await redis.set(`${PREFIX}limit:gone:c:192.0.2.1`, "100 1", 60_000);
    await redis.set(`${PREFIX}limit:catalogue:c:192.0.2.2`, "nonsense", 60_000);
    const usage = await bucketUsage(context, Date.now());
    expect(usage.map(({ limitName, client, capacity }) => [limitName, client, capacity])).toEqual([
      ["account", "alice:the first", 500],
      ["orders", "2001:db8::/64", 300],
    ]);
    for (const { capacity, available } of usage) expect(available).toBeLessThan(capacity);
    const [first, ...others] = await lines("--top", "1");
    expect(first).toMatch(/^account {2}alice:the first {2}\d+ of 500 left$/);
    expect(others).toEqual(["… and 1 more: --top N"]);
  });

  test("an override of a principal counts", async () => {
    const { take, context } = await start();
    overrides = [{ limitName: "account", principal: "alice", capacity: 1_000, refillPerSecond: 1 }];
    await take("account", 400, "192.0.2.1", "alice");
    expect(await bucketUsage(context, Date.now())).toEqual([
      { limitName: "account", client: "alice", capacity: 1_000, available: expect.closeTo(600, -2) },
    ]);
  });

  test("a number that is none is rejected", async () => {
    const { lines } = await start();
    await expect(lines("--top", "all")).rejects.toThrow("--top all: use a number from 1 to 10000");
  });
});
