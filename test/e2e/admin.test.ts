/** API keys and overrides of limits: the operator's commands, and their effects at real edges. */
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { contract } from "../../src/contract/contract.ts";
import type { Limit } from "../../src/contract/policy.ts";
import type { Routes } from "../../src/contract/route.ts";
import { type Door, startDoor } from "../../src/local/door.ts";
import { VERSION_FIELD } from "../../src/middleware/auth/api-keys.ts";
import { publishedOverridesName } from "../../src/middleware/rate-limit/limit-store.ts";
import { isUsageError, UsageError } from "../../src/origin/admin/cli.ts";
import { keysCommand, revokeKey } from "../../src/origin/admin/keys.ts";
import { limitsCommand, limitsPublication, setOverride } from "../../src/origin/admin/limits.ts";
import { publish } from "../../src/origin/admin/publish.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { connectRedis } from "../../src/origin/redis/store.ts";
import { runCommand, type System, startSystem } from "../support/system.ts";

let system: System;
/** The origin's connection to Redis. */
let door: Door;

beforeAll(async () => {
  door = await startDoor(inject("servers").redisUrl);
  system = await startSystem({
    originEnvironment: { REDIS_URL: door.url },
    edgeEnvironment: { RATE_LIMITS: "enforce" },
  });
});
afterAll(async () => {
  await system?.stop();
  await door?.stop();
});

describe("keys", () => {
  const keys = (...args: string[]): Promise<string> => runCommand(system, keysCommand, args);

  const createdKey = async (...args: string[]): Promise<{ id: string; key: string }> => {
    const output = await keys("create", "--principal", "frank", "--scopes", "orders:read", ...args);
    return { id: /^id {3}(.+)$/m.exec(output)?.[1] ?? "", key: /^key {2}(.+)$/m.exec(output)?.[1] ?? "" };
  };

  test("a created key works immediately, for its scopes only", async () => {
    const { key } = await createdKey();
    expect((await system.call("/v1/orders", { key })).status).toBe(200);
    expect((await system.call("/v1/orders", { method: "POST", key, json: {} })).status).toBe(403);
  });

  test("the secret is not stored anywhere", async () => {
    const { id, key } = await createdKey();
    const secret = key.slice(-43);
    const stored = JSON.stringify(await system.pool.query("SELECT * FROM api_keys WHERE id = $1", [id]));
    const published = await system.redis.hashField(`${system.keyPrefix}keys`, id);
    expect(stored).toContain(id);
    expect(stored).not.toContain(secret);
    expect(published).not.toContain(secret);
  });

  test("a revoked key is listed as revoked and no longer published", async () => {
    const { id } = await createdKey("--name", "lost laptop");
    expect(await keys("revoke", id)).toContain(`revoked ${id}`);
    expect(await keys("list")).toMatch(new RegExp(`^${id} .*revoked {2}lost laptop$`, "m"));
    expect(await system.redis.hashField(`${system.keyPrefix}keys`, id)).toBeNull();
  });

  test("every isolate that has seen a key rejects it within 10 s of its revocation", async () => {
    const edges = [system.edgeUrl, await system.startEdge(), await system.startEdge()];
    const { id, key } = await createdKey();
    const statusAt = async (edge: string): Promise<number> =>
      (await fetch(`${edge}/v1/orders`, { headers: { authorization: `Bearer ${key}` } })).status;
    expect(await Promise.all(edges.map(statusAt))).toEqual([200, 200, 200]);
    await keys("revoke", id);
    await Promise.all(
      edges.map((edge) => expect.poll(() => statusAt(edge), { timeout: 12_000, interval: 250 }).toBe(401)),
    );
  });

  test("a revocation takes effect within 10 s even if no origin can reach Redis", async () => {
    const { id, key } = await createdKey();
    expect((await system.call("/v1/orders", { key })).status).toBe(200);
    door.shut();
    try {
      await revokeKey(system.pool, id);
      await expect
        .poll(async () => (await system.call("/v1/orders", { key })).status, {
          timeout: 12_000,
          interval: 250,
        })
        .toBe(401);
    } finally {
      await door.open();
    }
  });

  test("a key can expire", async () => {
    const { id } = await createdKey("--expires-in", "30m");
    expect(await keys("list")).toMatch(new RegExp(`^${id} .*until \\d{4}-`, "m"));
  });

  test.each([
    [["create", "--scopes", "orders:read"], "--principal is missing"],
    [["create", "--principal", "x", "--scopes", "everything"], "choose from blocklist:read"],
    [
      ["create", "--principal", "x", "--scopes", "orders:read", "--expires-in", "soon"],
      "use a duration such as",
    ],
    [["create", "--principal", "x", "--scopes", "orders:read", "--expires-in", "10000d"], "at most 9999d"],
    [["create", "--unknown"], "Unknown option '--unknown'"],
    [["list", "all"], "Unexpected argument 'all'"],
    [
      ["create", "--principal", "x\u001b[2J", "--scopes", "orders:read"],
      "--principal has control characters",
    ],
    [
      ["create", "--principal", "x", "--scopes", "orders:read", "--name", "a\nb"],
      "--name has control characters or line breaks",
    ],
    [["revoke"], "the id of a key is missing"],
    [["revoke", "nothing"], "no key nothing"],
  ])("%j is rejected with a reason", async (args, reason) => {
    const failure = await keys(...args).catch((error: unknown) => error);
    expect(failure).toSatisfy(isUsageError);
    expect(String(failure)).toContain(reason);
  });
});

describe("limits", () => {
  const limits = (...args: string[]): Promise<string> => runCommand(system, limitsCommand, args);

  const set = (principal: string, limit: string, capacity: string, refill: string): Promise<string> => {
    const whose = ["--principal", principal, "--limit", limit];
    return limits("set", ...whose, "--capacity", capacity, "--refill-per-second", refill);
  };

  const published = (field: string): Promise<string | null> =>
    system.redis.hashField(publishedOverridesName(system.keyPrefix), field);

  test("without any override only the version is published", async () => {
    await expect.poll(() => published(VERSION_FIELD), { timeout: 10_000 }).toMatch(/^[0-9a-f-]{36}:1$/);
    const fields = "return redis.call('HKEYS', KEYS[1])";
    const name = publishedOverridesName(system.keyPrefix);
    expect(await system.redis.evaluate(fields, [name], [])).toEqual([VERSION_FIELD]);
  });

  describe("an override", () => {
    test("is published immediately, and reported as in force", async () => {
      expect(await set("ann", "orders", "5", "0.5")).toBe(
        "set orders of ann: capacity 5, 0.5 per second: in force everywhere within seconds",
      );
      expect(await published("orders:ann")).toBe("5 0.5");
    });

    test("replaces an earlier one of the same limit, and no other", async () => {
      await set("ben", "orders", "5", "0.5");
      await set("ben", "account", "50", "5");
      const version = await published(VERSION_FIELD);
      await set("ben", "orders", "6", "0.000001");
      expect(await published("orders:ben")).toBe("6 0.000001");
      expect(await published("account:ben")).toBe("50 5");
      expect(await published(VERSION_FIELD)).not.toBe(version);
    });

    test("applies at the edge to its principal only", async () => {
      await set("cara", "orders", "1", "0.001");
      const [cara, dan] = await Promise.all([system.createKey("cara"), system.createKey("dan")]);
      const order = async ({ key }: { key: string }): Promise<number> =>
        (await system.call("/v1/orders", { method: "POST", key, json: {} })).status;
      expect(await order(cara)).not.toBe(429);
      expect(await order(cara)).toBe(429);
      expect(await order(dan)).not.toBe(429);
      expect(await order(dan)).not.toBe(429);
    });

    test("is listed with the contract's limit", async () => {
      await set("eve", "account", "1000", "100");
      const line = "eve  account  capacity 1000, 100 per second  instead of capacity 500, 50 per second";
      expect((await limits("list")).split("\n")).toContain(line);
    });

    test("is stored while Redis is down, and published by an origin", async () => {
      const redis = connectRedis("http://127.0.0.1:9", "token", createLog("silent"));
      const words = "set --principal fred --limit orders --capacity 7 --refill-per-second 1".split(" ");
      const output = await runCommand(system, limitsCommand, words, { redis });
      expect(output).toContain("Redis is unreachable");
      expect(output).not.toContain("in force");
      await expect.poll(() => published("orders:fred"), { timeout: 10_000 }).toBe("7 1");
    });
  });

  describe("clear", () => {
    test("removes one override of a principal", async () => {
      await set("gina", "orders", "5", "0.5");
      await set("gina", "account", "50", "5");
      const output = await limits("clear", "--principal", "gina", "--limit", "orders");
      expect(output).toMatch(/^cleared orders of gina: the contract's limits are in force everywhere/);
      expect(await published("orders:gina")).toBeNull();
      expect(await published("account:gina")).toBe("50 5");
    });

    test("removes all overrides of the principal, and of no other, if no limit is named", async () => {
      await set("hal", "orders", "5", "0.5");
      await set("hal", "account", "50", "5");
      await set("hal:eu", "orders", "5", "0.5");
      expect(await limits("clear", "--principal", "hal")).toContain("cleared account, orders of hal: ");
      expect(await limits("list")).not.toMatch(/^hal {2}/m);
      expect(await published("orders:hal")).toBeNull();
      expect(await published("orders:hal:eu")).toBe("5 0.5");
    });

    test("without an override changes nothing", async () => {
      await publish(limitsPublication, system);
      const version = await published(VERSION_FIELD);
      await expect(limits("clear", "--principal", "zoe")).rejects.toThrow(UsageError);
      expect(await publish(limitsPublication, system)).toBe(false);
      expect(await published(VERSION_FIELD)).toBe(version);
    });

    test("removes the override of a limit that the contract no longer has; the list marks it", async () => {
      const removed = { limitName: "removed", principal: "ida", capacity: 1, refillPerSecond: 1 };
      await setOverride(system.pool, removed);
      expect(await limits("list")).toMatch(/^ida {2}removed .*no effect: the contract has no such limit$/m);
      const output = await limits("clear", "--principal", "ida", "--limit", "removed");
      expect(output).toContain("cleared removed of ida");
    });
  });

  describe("an origin", () => {
    test("publishes a change made directly in the database", async () => {
      await setOverride(system.pool, {
        limitName: "orders",
        principal: "jo",
        capacity: 9,
        refillPerSecond: 2.5,
      });
      await expect.poll(() => published("orders:jo"), { timeout: 10_000 }).toBe("9 2.5");
    });

    test("publishes everything again after Redis has lost it", async () => {
      await set("kim", "orders", "5", "0.5");
      await system.redis.remove(publishedOverridesName(system.keyPrefix));
      await expect.poll(() => published("orders:kim"), { timeout: 10_000 }).toBe("5 0.5");
    });
  });

  test.each([
    ["0", "1"],
    ["Infinity", "1"],
    ["1", "-1"],
    ["1", "NaN"],
  ])("the database rejects a capacity of %s with a refill of %s", async (capacity, refill) => {
    const insert = `INSERT INTO limit_overrides (limit_name, principal, capacity, refill_per_second)
      VALUES ('orders', 'leo', $1::text::double precision, $2::text::double precision)`;
    await expect(system.pool.query(insert, [capacity, refill])).rejects.toMatchObject({ code: "23514" });
  });

  const whose = ["--principal", "max", "--limit", "orders"];
  const refill = ["--refill-per-second", "1"];

  test.each([
    [["set", "--unknown"], "Unknown option '--unknown'"],
    [["list", "everything"], "Unexpected argument 'everything'"],
    [["set", "--limit", "orders", "--capacity", "1", ...refill], "--principal is missing"],
    [["set", "--principal", "m".repeat(201), "--limit", "orders"], "longer than 200 characters"],
    [["set", "--principal", "\ud800", "--limit", "orders"], "--principal is not well-formed Unicode"],
    [["set", "--principal", "max", "--capacity", "1", ...refill], "--limit is missing"],
    [
      ["set", "--principal", "max", "--limit", "nothing"],
      "--limit nothing: unknown; choose from account, orders",
    ],
    [
      ["set", "--principal", "max", "--limit", "catalogue"],
      "not a limit per principal; choose from account, orders",
    ],
    [["set", ...whose, ...refill], "--capacity is missing"],
    [["set", ...whose, "--capacity", "0", ...refill], "--capacity 0: use a number from 1 to 1000000000"],
    [["set", ...whose, "--capacity", "", ...refill], "use a number"],
    [["set", ...whose, "--capacity", "Infinity", ...refill], "--capacity Infinity: use a number"],
    [["set", ...whose, "--capacity", "0x10", ...refill], "--capacity 0x10: use a number"],
    [["set", ...whose, "--capacity", "1000000001", ...refill], "--capacity 1000000001: use a number"],
    [["set", ...whose, "--capacity", "5"], "--refill-per-second is missing"],
    [["set", ...whose, "--capacity", "5", "--refill-per-second", "0"], "from 0.000001 to 1000000"],
    [["set", ...whose, "--capacity", "5", "--refill-per-second", "1000001"], "from 0.000001 to 1000000"],
    [
      ["set", ...whose, "--capacity", "500", "--refill-per-second", "0.000001"],
      "refilling it would take more than a year",
    ],
    [["clear"], "--principal is missing"],
    [["clear", "--principal", "max"], "max has no override of any limit"],
    [["clear", ...whose], "max has no override of orders"],
  ])("%j is rejected with a reason", async (args, reason) => {
    const failure = await limits(...args).catch((error: unknown) => error);
    expect(failure).toSatisfy(isUsageError);
    expect(String(failure)).toContain(reason);
  });

  test("a capacity is at least the cost of the limit's most expensive request", async () => {
    const limit: Limit = {
      name: "reports",
      capacity: 10,
      refillPerSecond: 1,
      per: "principal",
      onStoreFailure: "open",
    };
    const { getOrder } = contract;
    const routes: Routes = {
      cheap: { ...getOrder, policy: { ...getOrder.policy, limit: [limit] } },
      expensive: { ...getOrder, policy: { ...getOrder.policy, limit: [{ ...limit, cost: 4 }] } },
    };
    const words = ["set", "--principal", "max", "--limit", "reports", ...refill, "--capacity"];
    const capacity = (number: string): Promise<string> =>
      runCommand(system, limitsCommand, [...words, number], { routes });
    await expect(capacity("3")).rejects.toThrow("use a number from 4 to 1000000000");
    expect(await capacity("4")).toContain("set reports of max: capacity 4");
  });
});
