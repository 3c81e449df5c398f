import { afterAll, beforeAll, expect, test } from "vitest";
import { type LocalRedis, startRedis } from "../../../src/local/redis.ts";
import { startUpstashBridge, type UpstashBridge } from "../../../src/local/upstash-bridge.ts";
import { VERSION_FIELD } from "../../../src/middleware/auth/published-keys.ts";
import type { Database } from "../../../src/origin/db/database.ts";
import { connectRedis } from "../../../src/origin/redis/connect.ts";
import type { RedisStore } from "../../../src/origin/redis/store.ts";
import { createLog } from "../../../src/origin/log.ts";
import { publishSnapshot, type SnapshotKind } from "../../../src/origin/snapshots/publish-snapshot.ts";

let redis: LocalRedis;
let bridge: UpstashBridge;
let store: RedisStore;

beforeAll(async () => {
  redis = await startRedis();
  bridge = await startUpstashBridge({ client: redis.client, token: "token" });
  store = connectRedis(bridge.url, "token", createLog("silent"));
});
afterAll(async () => {
  await store?.close();
  await bridge?.stop();
  await redis?.stop();
});

const away: Database = {
  query: () => Promise.reject(new Error("away")),
  transaction: () => Promise.reject(new Error("away")),
};

const TTL_MS = 1_000;

const kindOf = (hashName: string): SnapshotKind => ({
  name: "keys",
  hashName,
  lockKey: 1,
  ttlMs: TTL_MS,
  read: async () => ({ version: "1", fields: {} }),
});

test("a snapshot that an origin looks after is believed though the database is away, and ends when nobody does", async () => {
  const name = `snapshot-${crypto.randomUUID()}`;
  await store.replaceHash(name, { [VERSION_FIELD]: "1" }, TTL_MS);
  const endsAtMs = performance.now() + 3 * TTL_MS;
  while (performance.now() < endsAtMs) {
    await expect(publishSnapshot(away, store, kindOf(name))).rejects.toThrow("away");
    expect(await store.hashField(name, VERSION_FIELD)).toBe("1");
  }
  await expect.poll(() => store.hashField(name, VERSION_FIELD), { interval: 20, timeout: 10_000 }).toBeNull();
});
