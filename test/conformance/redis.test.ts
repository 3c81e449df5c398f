import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { freePort } from "../../src/local/free-port.ts";
import { connectRedis, type RedisStore } from "../../src/origin/redis/store.ts";
import { RAISE_VERSIONS, REMOVE_IF_EQUAL } from "../../src/origin/response-cache/redis.ts";
import { startBlackHole } from "./support/black-hole.ts";
import { failureOf, until, untilSucceeds } from "./support/poll.ts";
import { type RedisDriver, type RedisRoute, redisDrivers } from "./support/redis-drivers.ts";
import {
  noRedis,
  type RedisProcess,
  type RedisServer,
  redisAdmin,
  startRedisServer,
} from "./support/redis-server.ts";

/** A command's limit is 2 s; replacing a hash takes several. */
const boundMs = 4_000;

type Skip = (note: string) => never;

const log = pino({ level: "silent" });
/** Over HTTP a Redis is always present: the shared bridge has at least a mock. */
const isMissing = ({ scheme }: RedisDriver): boolean => scheme === "redis" && noRedis !== undefined;

const testsOf = (driver: RedisDriver): void => {
  const stops = new CleanupStack();
  let server: RedisServer | undefined;
  let route: RedisRoute;
  let admin: Redis | undefined;

  beforeAll(async () => {
    if (noRedis !== undefined) {
      const { redisUrl: url, redisToken: token } = inject("servers");
      route = { url, token };
      return;
    }
    const started = await startRedisServer();
    server = started;
    stops.add(() => started.end());
    route = await driver.route(started.url, stops);
    const connection = redisAdmin(started.url);
    admin = connection;
    stops.add(async () => connection.disconnect());
  });
  afterAll(() => stops.runAll());

  const connect = (to: RedisRoute = route): RedisStore => {
    const store = connectRedis(to.url, to.token, log);
    onTestFinished(() => store.close());
    return store;
  };

  /** A unique name; its keys are removed when the test has finished. */
  const newName = (): string => {
    const name = `conformance:${randomBytes(6).toString("hex")}`;
    onTestFinished(async () => {
      const left = (await admin?.keys(`${name}*`).catch(() => undefined)) ?? [];
      if (left.length > 0) await admin?.del(...left);
    });
    return name;
  };

  /** The values of the names, in their order. */
  const valuesOf = async (store: RedisStore, names: readonly string[]) => {
    const claim = { name: `${names[0]}:reader`, value: "1", ttlMs: 60_000 };
    return (await store.claimAndRead(claim, names)).values;
  };

  const ownProcess = (skip: Skip): RedisProcess =>
    server?.process ?? skip("the test does not own the server");
  const inspected = (skip: Skip): Redis => admin ?? skip("the server cannot be inspected");

  test("a field is returned unchanged, and null if it is absent", async () => {
    const store = connect();
    const name = newName();
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

  test("a hash is replaced as a whole", async ({ skip }) => {
    const redis = inspected(skip);
    const store = connect();
    const name = newName();
    await store.replaceHash(name, { a: "1", b: "1" });
    await store.replaceHash(name, { b: "2", c: "2" });
    expect(await redis.hgetall(name)).toEqual({ b: "2", c: "2" });
    expect(await redis.ttl(name)).toBe(-1);
    expect(await redis.keys(`${name}*`)).toEqual([name]);
  });

  test("replacing a hash without fields removes it", async () => {
    const store = connect();
    const name = newName();
    await store.replaceHash(name, {});
    await store.replaceHash(name, { a: "1" });
    await store.replaceHash(name, {});
    expect(await store.hashField(name, "a")).toBeNull();
    expect((await admin?.keys(`${name}*`)) ?? []).toEqual([]);
  });

  test("readers see the old hash or the new one, whatever its size", async () => {
    const store = connect();
    const reader = connect();
    const name = newName();
    const fields = Array.from({ length: 2_500 }, (_, index) => `field-${index}`);
    const versionOf = (version: number): Record<string, string> =>
      Object.fromEntries(fields.map((field) => [field, String(version)]));
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
        const version = Number((await reader.hashField(name, field)) ?? Number.NaN);
        expect(version).toBeGreaterThanOrEqual(latest);
        latest = version;
        reads += 1;
      }
    }
    await replacing;
    expect(reads).toBeGreaterThan(5);
  });

  test("a hash expires after its time to live, unless that is extended", async ({ skip }) => {
    const redis = inspected(skip);
    const store = connect();
    const name = newName();
    await store.replaceHash(name, { a: "1" }, 60_000);
    expect(await redis.pttl(name)).toBeGreaterThan(50_000);
    await store.expire(name, 1_000_000);
    expect(await redis.pttl(name)).toBeGreaterThan(900_000);
    await store.replaceHash(name, { a: "2" });
    expect(await redis.ttl(name)).toBe(-1);
    await store.expire(name, 1);
    await expect.poll(() => store.hashField(name, "a"), { interval: 5 }).toBeNull();
    await store.expire(name, 1_000);
  });

  test("a name is taken once, and free again after its time to live", async () => {
    const store = connect();
    const name = newName();
    const takes = await Promise.all(Array.from({ length: 20 }, () => store.setIfAbsent(name, 1_000)));
    expect(takes.filter(Boolean)).toHaveLength(1);
    if (admin !== undefined) expect(await admin.pttl(name)).toBeGreaterThan(0);
    await until("the name is free again", () => store.setIfAbsent(name, 60_000));
    expect(await store.setIfAbsent(name, 60_000)).toBe(false);
  });

  test("a value is returned unchanged until it expires or is removed", async () => {
    const store = connect();
    const name = newName();
    const value = '{"n":1.50,"s":"ünï 🦫"}';
    expect(await valuesOf(store, [name])).toEqual([null]);
    await store.set(name, value, 60_000);
    expect(await valuesOf(store, [name, `${name}:absent`, name])).toEqual([value, null, value]);
    if (admin !== undefined) expect(await admin.pttl(name)).toBeGreaterThan(0);
    await store.remove(name);
    await store.remove(name);
    expect(await valuesOf(store, [name])).toEqual([null]);
    await store.set(name, value, 1);
    await until("the value has expired", async () => (await valuesOf(store, [name]))[0] === null);
  });

  test("claimAndRead takes a name, then reads others", async () => {
    const store = connect();
    const name = newName();
    const claim = (value: string) => ({ name, value, ttlMs: 60_000 });
    expect(await store.claimAndRead(claim("first"), [name, `${name}:absent`])).toEqual({
      claimed: true,
      values: ["first", null],
    });
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => store.claimAndRead(claim("later"), [name])),
    );
    expect(answers).toEqual(answers.map(() => ({ claimed: false, values: ["first"] })));
    await store.evaluate(REMOVE_IF_EQUAL, [name], ["later"]);
    expect(await valuesOf(store, [name])).toEqual(["first"]);
    await store.evaluate(REMOVE_IF_EQUAL, [name], ["first"]);
    expect(await valuesOf(store, [name])).toEqual([null]);
  });

  test("tag versions rise above the stored ones and the proposed one", async () => {
    const store = connect();
    const names = [newName(), newName()];
    const raise = (proposed: number) => store.evaluate(RAISE_VERSIONS, names, [String(proposed), "60000"]);
    expect(await raise(1_764_057_600_000)).toEqual(["1764057600000", "1764057600000"]);
    expect(await raise(1_764_057_600_000)).toEqual(["1764057600001", "1764057600001"]);
    expect(await raise(5)).toEqual(["1764057600002", "1764057600002"]);
    expect(await valuesOf(store, names)).toEqual(["1764057600002", "1764057600002"]);
  });

  const expectBounded = async (store: RedisStore): Promise<void> => {
    const name = newName();
    const attempts = [
      store.ping(),
      store.hashField(name, "a"),
      store.replaceHash(name, { a: "1" }),
      store.setIfAbsent(name, 1_000),
      store.claimAndRead({ name, value: "1", ttlMs: 1_000 }, [name]),
      store.set(name, "1", 1_000),
      store.remove(name),
      store.evaluate("return KEYS[1]", [name], []),
    ];
    for (const { error, tookMs } of await Promise.all(attempts.map(failureOf))) {
      expect(error).toBeInstanceOf(Error);
      expect(tookMs).toBeLessThan(boundMs);
    }
  };

  const toPort = (port: number): RedisRoute => ({
    url: `${driver.scheme}://127.0.0.1:${port}`,
    token: "any",
  });

  test("commands to a server that never answers fail within their limit", async () => {
    await expectBounded(connect(toPort(await startBlackHole())));
  });

  test("commands to a closed port fail within their limit", async () => {
    await expectBounded(connect(toPort(await freePort())));
  });

  test("commands to a server that stops answering fail within their limit, and succeed once it answers", async ({
    skip,
  }) => {
    const { freeze, thaw } = ownProcess(skip);
    const store = connect();
    await store.ping();
    freeze();
    try {
      await expectBounded(store);
    } finally {
      thaw();
    }
    await untilSucceeds("the server is used again", () => store.ping());
  });

  test("a restarted server is used again", async ({ skip }) => {
    const { start, stop } = ownProcess(skip);
    const store = connect();
    await store.ping();
    await stop();
    try {
      await expectBounded(store);
    } finally {
      await start();
    }
    await untilSucceeds("the server is used again", () => store.ping());
    expect(await store.setIfAbsent(newName(), 1_000)).toBe(true);
  });

  test("lost idle connections are replaced", async ({ skip }) => {
    // On a shared server other connections would be affected.
    ownProcess(skip);
    const redis = inspected(skip);
    const store = connect();
    await store.ping();
    for (let time = 0; time < 3; time += 1) {
      await redis.client("KILL", "TYPE", "normal", "SKIPME", "yes");
      await untilSucceeds("the server is used again", () => store.ping());
    }
  });

  test("close() ends the connections, and may be called again", async ({ skip }) => {
    // On a shared server other connections would be affected.
    ownProcess(skip);
    const redis = inspected(skip);
    const count = async (): Promise<number> =>
      String(await redis.client("LIST"))
        .trim()
        .split("\n").length;
    const before = await count();
    const store = connect();
    await store.ping();
    await store.close();
    await store.close();
    await until("no connection is left", async () => (await count()) <= before);
  });
};

for (const driver of redisDrivers) {
  const title = isMissing(driver) ? `${driver.name} (skipped: ${noRedis})` : driver.name;
  describe.skipIf(isMissing(driver))(title, () => testsOf(driver));
}
