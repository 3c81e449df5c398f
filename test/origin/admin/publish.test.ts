import { describe, expect, onTestFinished, test, vi } from "vitest";
import { startRedis } from "../../../src/local/redis.ts";
import { startUpstashBridge } from "../../../src/local/upstash-bridge.ts";
import { VERSION_FIELD } from "../../../src/middleware/auth/api-keys.ts";
import { publishChange } from "../../../src/origin/admin/cli.ts";
import {
  type Publication,
  type PublishTarget,
  publish,
  publishJob,
} from "../../../src/origin/admin/publish.ts";
import type { Database } from "../../../src/origin/db/database.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { connectRedis } from "../../../src/origin/redis/store.ts";

const TTL_MS = 1_000;

const publication: Publication = {
  name: "keys",
  title: "API keys",
  hashName: (keyPrefix) => `${keyPrefix}keys`,
  lockKey: 1,
  ttlMs: TTL_MS,
  read: async () => ({ version: "1", fields: {} }),
};

const down = new Error("down");

const databaseDown: Database = {
  query: () => Promise.reject(down),
  transaction: () => Promise.reject(down),
};

test("a snapshot stays in Redis while an origin without a database confirms it, and expires afterwards", async () => {
  const redis = await startRedis();
  onTestFinished(redis.stop);
  const bridge = await startUpstashBridge({ client: redis.client, token: "token" });
  onTestFinished(bridge.stop);
  const store = connectRedis(bridge.url, "token", createLog("silent"));
  const target: PublishTarget = { pool: databaseDown, redis: store, keyPrefix: "publish:" };
  const hash = publication.hashName(target.keyPrefix);
  const version = () => store.hashField(hash, VERSION_FIELD);
  await store.replaceHash(hash, { [VERSION_FIELD]: "1" }, TTL_MS);
  const endsAtMs = performance.now() + 3 * TTL_MS;
  while (performance.now() < endsAtMs) {
    await expect(publish(publication, target)).rejects.toThrow("down");
    expect(await version()).toBe("1");
  }
  await expect.poll(version, { interval: 20, timeout: 10_000 }).toBeNull();
});

/** Redis fails or responds; nothing has been published, and the database holds nothing. */
const targetWith = (isUp: () => boolean): PublishTarget => ({
  pool: { query: async () => [], transaction: () => Promise.reject(down) },
  redis: {
    hashField: () => (isUp() ? Promise.resolve("") : Promise.reject(down)),
    expire: async () => undefined,
    replaceHash: async () => undefined,
    evaluate: async () => undefined,
  },
  keyPrefix: "",
});

test("the job logs when publishing begins to fail and when it recovers", async () => {
  const log = createLog("silent");
  const messages: string[] = [];
  vi.spyOn(log, "warn").mockImplementation((_, message) => void messages.push(String(message)));
  vi.spyOn(log, "info").mockImplementation((message) => void messages.push(String(message)));
  let isUp = false;
  const job = publishJob(
    publication,
    targetWith(() => isUp),
    log,
  );
  for (isUp of [true, false, false, true, true]) await job();
  expect(messages).toEqual(["API keys cannot be published", "API keys are published again"]);
});

describe("a command's change", () => {
  const printed = async (target: PublishTarget): Promise<string[]> => {
    const lines: string[] = [];
    const print = (line: string): void => void lines.push(line);
    await publishChange({ ...target, print }, publication, "changed it", "in force now");
    return lines;
  };

  test("is printed with its effect once it is published", async () => {
    expect(await printed(targetWith(() => true))).toEqual(["changed it: in force now"]);
  });

  test("is left to an origin if Redis is unreachable", async () => {
    expect(await printed(targetWith(() => false))).toEqual([
      "changed it",
      "Redis is unreachable (Error: down): an origin will publish the change once it is back.",
    ]);
  });
});
