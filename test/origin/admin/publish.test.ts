import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type LocalRedis, startRedis } from "../../../src/local/redis.ts";
import { startUpstashBridge, type UpstashBridge } from "../../../src/local/upstash-bridge.ts";
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
import { connectRedis, type RedisStore } from "../../../src/origin/redis/store.ts";

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

describe("a snapshot in Redis while the database is down", () => {
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

  test("stays while an origin keeps confirming it, and expires afterwards", async () => {
    const target: PublishTarget = {
      pool: databaseDown,
      redis: store,
      keyPrefix: `publish-${crypto.randomUUID()}:`,
    };
    const hash = publication.hashName(target.keyPrefix);
    await store.replaceHash(hash, { [VERSION_FIELD]: "1" }, TTL_MS);
    const endsAtMs = performance.now() + 3 * TTL_MS;
    while (performance.now() < endsAtMs) {
      await expect(publish(publication, target)).rejects.toThrow("down");
      expect(await store.hashField(hash, VERSION_FIELD)).toBe("1");
    }
    await expect
      .poll(() => store.hashField(hash, VERSION_FIELD), { interval: 20, timeout: 10_000 })
      .toBeNull();
  });
});

/** Redis answers each read as the next of `reads` says; what is published has no version, as in the database. */
const targetWith = (reads: Iterable<boolean>): PublishTarget => {
  const next = reads[Symbol.iterator]();
  return {
    pool: { query: async () => [], transaction: () => Promise.reject(down) },
    redis: {
      hashField: () => (next.next().value === false ? Promise.reject(down) : Promise.resolve("")),
      expire: async () => undefined,
      replaceHash: async () => undefined,
    },
    keyPrefix: "",
  };
};

describe("the job logs", () => {
  const messagesOf = async (reads: readonly boolean[]): Promise<string[]> => {
    const log = createLog("silent");
    const messages: string[] = [];
    vi.spyOn(log, "warn").mockImplementation((_, message) => void messages.push(String(message)));
    vi.spyOn(log, "info").mockImplementation((message) => void messages.push(String(message)));
    const job = publishJob(publication, targetWith(reads), log);
    for (const _ of reads) await job();
    return messages;
  };

  test.each([
    ["nothing while publishing works", [true, true], []],
    ["a failure once, however long it lasts", [false, false, false], ["API keys cannot be published"]],
    [
      "the recovery, and the next failure",
      [false, true, true, false],
      ["API keys cannot be published", "API keys are published again", "API keys cannot be published"],
    ],
  ])("%s", async (_, reads, messages) => {
    expect(await messagesOf(reads)).toEqual(messages);
  });
});

describe("a command's change", () => {
  const printed = async (target: PublishTarget): Promise<string[]> => {
    const lines: string[] = [];
    const print = (line: string): void => void lines.push(line);
    await publishChange({ ...target, print }, publication, "changed it", "in force now");
    return lines;
  };

  test("is printed with its effect once it is published", async () => {
    expect(await printed(targetWith([true]))).toEqual(["changed it: in force now"]);
  });

  test("is left to an origin if Redis is unreachable", async () => {
    expect(await printed(targetWith([false]))).toEqual([
      "changed it",
      "Redis is unreachable (Error: down): an origin will publish the change once it is back.",
    ]);
  });
});
