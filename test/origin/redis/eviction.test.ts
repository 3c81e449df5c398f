import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { evictionFault, warnOfEviction } from "../../../src/origin/redis/eviction.ts";
import { connectRedis } from "../../../src/origin/redis/store.ts";
import { noRedis, redisAdmin, startRedisServer } from "../../conformance/support/redis-server.ts";

const info = (policy: string, maxmemory = 1_000): string =>
  `# Memory\r\nused_memory:900\r\nmaxmemory:${maxmemory}\r\nmaxmemory_human:1K\r\nmaxmemory_policy:${policy}\r\n`;

test.each(["volatile-lru", "volatile-lfu"])("%s evicts cached responses first", (policy) => {
  expect(evictionFault(info(policy))).toBeUndefined();
});

test.each([
  ["allkeys-lru", "may evict limits, published keys and blocks instead of cached responses"],
  ["allkeys-random", "may evict limits, published keys and blocks instead of cached responses"],
  ["volatile-ttl", "may evict limits, nonces and published keys before cached responses"],
  ["noeviction", "rejects all writes when it is full, limits and published keys included"],
])("%s is a fault", (policy, fault) => {
  expect(evictionFault(info(policy))).toBe(fault);
});

test("without a maximum, or without an answer, nothing is a fault", () => {
  expect(evictionFault(info("noeviction", 0))).toBeUndefined();
  expect(evictionFault("# Memory\r\n")).toBeUndefined();
});

test("a Redis that forbids INFO is no failure", async () => {
  const redis = { info: () => Promise.reject(new Error("NOPERM this user has no permissions")) };
  await expect(warnOfEviction(redis, createLog("silent"))).resolves.toBeUndefined();
});

test.skipIf(noRedis !== undefined)("Redis reports its policy", async () => {
  const stops = new CleanupStack();
  onTestFinished(() => stops.runAll());
  const { url } = await startRedisServer(stops);
  const admin = redisAdmin(url, stops);
  const store = connectRedis(url, undefined, createLog("silent"));
  stops.add(() => store.close());
  await admin.config("SET", "maxmemory", "64mb");
  await admin.config("SET", "maxmemory-policy", "allkeys-lru");
  expect(evictionFault(await store.info("memory"))).toMatch(/^may evict limits/);
  await admin.config("SET", "maxmemory-policy", "volatile-lru");
  expect(evictionFault(await store.info("memory"))).toBeUndefined();
});

test.each([
  "container/compose.yaml",
  "k8s/overlays/dev/redis.yaml",
])("%s sets a policy that evicts cached responses first", async (file) => {
  const text = await readFile(join(projectFolder, file), "utf8");
  const [, policy = ""] = /--maxmemory-policy, ([a-z-]+)/.exec(text) ?? [];
  expect(evictionFault(info(policy))).toBeUndefined();
});
