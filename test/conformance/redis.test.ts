import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { startDoor } from "../../src/local/door.ts";
import { freePort } from "../../src/local/free-port.ts";
import { connectRedis, type RedisStore } from "../../src/origin/redis/store.ts";
import { RAISE_VERSIONS, REMOVE_IF_EQUAL } from "../../src/origin/response-cache/redis.ts";
import {
  noRedis,
  type RedisDriver,
  type RedisProcess,
  type RedisRoute,
  type RedisServer,
  redisAdmin,
  redisDrivers,
  startRedisServer,
} from "./support/redis-server.ts";
import { failureOf, startBlackHole, until, untilSucceeds } from "./support/waiting.ts";

/** A command's limit is 2 s; replacing a hash takes several. */
const BOUND_MS = 4_000;

const log = pino({ level: "silent" });

const testsOf = (driver: RedisDriver): void => {
  const stops = new CleanupStack();
  let server: RedisServer;
  let route: RedisRoute;
  let admin: Redis;
  let store: RedisStore;
  /** Unique; its keys are removed when the test has finished. */
  let name: string;

  const connect = (to: RedisRoute = route): RedisStore => {
    const connected = connectRedis(to.url, to.token, log);
    onTestFinished(() => connected.close());
    return connected;
  };

  beforeAll(async () => {
    server = await startRedisServer(stops);
    route = await driver.route(server.url, stops);
    admin = redisAdmin(server.url, stops);
  });
  beforeEach(() => {
    name = `conformance:${randomBytes(6).toString("hex")}`;
    store = connectRedis(route.url, route.token, log);
    return async () => {
      const left = await admin.keys(`${name}*`).catch(() => []);
      if (left.length > 0) await admin.del(...left);
      await store.close();
    };
  });
  afterAll(() => stops.runAll());

  /** The values of the names, in their order. */
  const valuesOf = async (...names: readonly string[]) => {
    const claim = { name: `${names[0]}:reader`, value: "1", ttlMs: 60_000 };
    return (await store.claimAndRead(claim, names)).values;
  };

  test("names are found by their beginning, whatever characters it has, and their values in order", async () => {
    const prefix = `${name}:a*[b]?:`;
    const names = Array.from({ length: 30 }, (_, index) => `${prefix}${index}`);
    for (const each of names) await store.set(each, `value ${each}`, 60_000);
    await store.set(`${name}:aX[b]Y:1`, "of another prefix", 60_000);
    expect((await store.namesWith(prefix, 1_000)).toSorted()).toEqual(names.toSorted());
    const [first = "", second = ""] = names;
    const values = [`value ${second}`, null, `value ${first}`];
    expect(await store.values([second, `${prefix}absent`, first])).toEqual(values);
    expect(await store.values([])).toEqual([]);
  });

  test("a field is returned unchanged, and null if it is absent", async () => {
    const fields = {
      plain: "value",
      empty: "",
      number: "0123",
      json: '{"a":[1,null]}',
      "ünï 🦫": 'quote " and\nline',
    };
    expect(await store.hashField(name, "plain")).toBeNull();
    await store.replaceHash(name, fields);
    for (const [field, value] of Object.entries(fields))
      expect(await store.hashField(name, field)).toBe(value);
    expect(await store.hashField(name, "absent")).toBeNull();
  });

  test("a hash is replaced as a whole, and removed if there are no fields", async () => {
    await store.replaceHash(name, { a: "1", b: "1" });
    await store.replaceHash(name, { b: "2", c: "2" });
    expect(await admin.hgetall(name)).toEqual({ b: "2", c: "2" });
    expect(await admin.ttl(name)).toBe(-1);
    expect(await admin.keys(`${name}*`)).toEqual([name]);
    for (let time = 0; time < 2; time += 1) await store.replaceHash(name, {});
    expect(await admin.keys(`${name}*`)).toEqual([]);
  });

  test("readers see the old hash or the new one, whatever its size", async () => {
    const reader = connect();
    const filler = "-".repeat(200);
    const fields = Array.from({ length: 2_500 }, (_, index) => `field-${index}`);
    const versionOf = (version: number): Record<string, string> =>
      Object.fromEntries(fields.map((field) => [field, `${version}${filler}`]));
    await store.replaceHash(name, versionOf(0));
    let isDone = false;
    const replacing = (async () => {
      for (let version = 1; version <= 5; version += 1) await store.replaceHash(name, versionOf(version));
      isDone = true;
    })();
    let reads = 0;
    let latest = 0;
    while (!isDone) {
      // Last part first: a hash written in place would show old fields after new ones.
      for (const field of ["field-2499", "field-1200", "field-0"]) {
        const version = Number((await reader.hashField(name, field))?.replace(filler, ""));
        expect(version).toBeGreaterThanOrEqual(latest);
        latest = version;
        reads += 1;
      }
    }
    await replacing;
    expect(reads).toBeGreaterThan(5);
    expect(await admin.hlen(name)).toBe(fields.length);
  });

  test("a hash expires after its time to live, unless that is extended", async () => {
    await store.replaceHash(name, { a: "1" }, 60_000);
    expect(await admin.pttl(name)).toBeGreaterThan(50_000);
    await store.expire(name, 1_000_000);
    expect(await admin.pttl(name)).toBeGreaterThan(900_000);
    await store.replaceHash(name, { a: "2" });
    expect(await admin.ttl(name)).toBe(-1);
    await store.expire(name, 1);
    await until(async () => (await store.hashField(name, "a")) === null);
    await store.expire(name, 1_000);
  });

  test("a name is taken once, and free again after its time to live", async () => {
    const takes = await Promise.all(Array.from({ length: 20 }, () => store.setIfAbsent(name, 1_000)));
    expect(takes.filter(Boolean)).toHaveLength(1);
    expect(await admin.pttl(name)).toBeGreaterThan(0);
    await until(() => store.setIfAbsent(name, 60_000));
    expect(await store.setIfAbsent(name, 60_000)).toBe(false);
  });

  test("a value is returned unchanged until it expires or is removed", async () => {
    const value = '{"n":1.50,"s":"ünï 🦫"}';
    expect(await valuesOf(name)).toEqual([null]);
    await store.set(name, value, 60_000);
    expect(await valuesOf(name, `${name}:absent`, name)).toEqual([value, null, value]);
    expect(await admin.pttl(name)).toBeGreaterThan(0);
    for (let time = 0; time < 2; time += 1) await store.remove(name);
    expect(await valuesOf(name)).toEqual([null]);
    await store.set(name, value, 1);
    await until(async () => (await valuesOf(name))[0] === null);
  });

  test("claimAndRead takes a name, then reads others", async () => {
    const claim = (value: string) => ({ name, value, ttlMs: 60_000 });
    const first = { claimed: true, values: ["first", null] };
    expect(await store.claimAndRead(claim("first"), [name, `${name}:absent`])).toEqual(first);
    const later = Array.from({ length: 10 }, () => store.claimAndRead(claim("later"), [name]));
    for (const answer of await Promise.all(later))
      expect(answer).toEqual({ claimed: false, values: ["first"] });
    await store.evaluate(REMOVE_IF_EQUAL, [name], ["later"]);
    expect(await valuesOf(name)).toEqual(["first"]);
    await store.evaluate(REMOVE_IF_EQUAL, [name], ["first"]);
    expect(await valuesOf(name)).toEqual([null]);
  });

  test("tag versions rise above the stored ones and the proposed one", async () => {
    const names = [name, `${name}:other`];
    const raise = (proposed: number) => store.evaluate(RAISE_VERSIONS, names, [String(proposed), "60000"]);
    expect(await raise(1_764_057_600_000)).toEqual(["1764057600000", "1764057600000"]);
    expect(await raise(1_764_057_600_000)).toEqual(["1764057600001", "1764057600001"]);
    expect(await raise(5)).toEqual(["1764057600002", "1764057600002"]);
    expect(await valuesOf(...names)).toEqual(["1764057600002", "1764057600002"]);
  });

  test("a name is free for the command that took it, even if its reply was lost and the driver repeats it", async ({
    skip,
  }) => {
    if (driver.scheme !== "redis") skip("commands over HTTP are not repeated");
    const door = await startDoor(server.url);
    stops.add(door.stop);
    const through = connect({ url: door.url, token: undefined });
    await through.ping();
    door.loseNextReply();
    expect(await through.setIfAbsent(name, 60_000)).toBe(true);
    expect(await through.setIfAbsent(name, 60_000)).toBe(false);
  });

  const expectBounded = async (failing: RedisStore): Promise<void> => {
    const attempts = [
      failing.ping(),
      failing.hashField(name, "a"),
      failing.replaceHash(name, { a: "1" }),
      failing.setIfAbsent(name, 1_000),
      failing.claimAndRead({ name, value: "1", ttlMs: 1_000 }, [name]),
      failing.set(name, "1", 1_000),
      failing.remove(name),
      failing.evaluate("return KEYS[1]", [name], []),
    ];
    for (const { error, tookMs } of await Promise.all(attempts.map(failureOf))) {
      expect(error).toBeInstanceOf(Error);
      expect(tookMs).toBeLessThan(BOUND_MS);
    }
  };

  test.each([
    ["that never answers", startBlackHole],
    ["with a closed port", freePort],
  ])("commands to a server %s fail within their limit", async (_, portOf) => {
    await expectBounded(connect({ url: `${driver.scheme}://127.0.0.1:${await portOf()}`, token: "any" }));
  });

  // On a shared server other connections would be affected.
  describe("with a server of its own", () => {
    let process: RedisProcess;
    beforeEach(async ({ skip }) => {
      process = server.process ?? skip("the test does not own the server");
      await store.ping();
    });

    test("commands to a server that stops answering fail within their limit, and succeed once it answers", async () => {
      process.freeze();
      try {
        await expectBounded(store);
      } finally {
        process.thaw();
      }
      await untilSucceeds(() => store.ping());
    });

    test("a restarted server is used again", async () => {
      await process.stop();
      try {
        await expectBounded(store);
      } finally {
        await process.start();
      }
      await untilSucceeds(() => store.ping());
      expect(await store.setIfAbsent(name, 1_000)).toBe(true);
    });

    test("lost idle connections are replaced", async () => {
      for (let time = 0; time < 3; time += 1) {
        await admin.client("KILL", "TYPE", "normal", "SKIPME", "yes");
        await untilSucceeds(() => store.ping());
      }
    });

    test("close() ends the connections, and may be called again", async () => {
      const count = async (): Promise<number> =>
        String(await admin.client("LIST"))
          .trim()
          .split("\n").length;
      const before = await count();
      const other = connect();
      await other.ping();
      for (let time = 0; time < 2; time += 1) await other.close();
      await until(async () => (await count()) <= before);
    });
  });
};

for (const driver of redisDrivers) {
  const title = noRedis === undefined ? driver.name : `${driver.name} (skipped: ${noRedis})`;
  describe.skipIf(noRedis !== undefined)(title, () => testsOf(driver));
}
