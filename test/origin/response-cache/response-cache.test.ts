import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ended, tookMs } from "../../support/timed.ts";
import { createMemoryRedis, type MemoryRedis } from "./support/memory-redis.ts";
import {
  changesIn,
  createDatabase,
  createShopOrigin,
  type Database,
  type ReadOptions,
  type ReadResult,
  type ShopOrigin,
} from "./support/shop.ts";

let database: Database;
let redis: MemoryRedis;
let origin: ShopOrigin;
let other: ShopOrigin;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
  database = createDatabase();
  redis = createMemoryRedis();
  origin = createShopOrigin(database, redis);
  other = createShopOrigin(database, redis);
});
afterEach(() => void vi.useRealTimers());

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const read = (options?: ReadOptions, from: ShopOrigin = origin): Promise<ReadResult> =>
  ended(from.read(options));
const readThenPass = async (ms: number, from?: ShopOrigin): Promise<void> => {
  await read({}, from);
  await pass(ms);
};
/** Stores the entry in Redis: another origin has asked for it before. */
const shareThenPass = async (ms: number, from?: ShopOrigin): Promise<void> => {
  await read({}, createShopOrigin(database, redis));
  await readThenPass(ms, from);
  expect(redis.entries()).toHaveLength(1);
};
const readMany = (count: number, from: ShopOrigin = origin): Promise<ReadResult[]> =>
  ended(Promise.all(Array.from({ length: count }, () => from.read())));
const write = (): Promise<void> => ended(origin.write());
const changesSeen = async (from: ShopOrigin = origin): Promise<number> => changesIn(await read({}, from));

describe("a stored response", () => {
  test("is served from memory while it is fresh, with its age", async () => {
    expect((await read()).cacheStatus).toBe("fwd=miss; stored");
    await pass(3_000);
    expect(await read()).toMatchObject({ cacheStatus: "hit; ttl=1", ageS: 4 });
    expect(database.reads).toBe(1);
  });

  test("is served stale, and refreshed in the background, when it is a little older", async () => {
    await read();
    await ended(other.write());
    await pass(6_000);
    const stale = await read();
    expect(stale.cacheStatus).toBe("hit; ttl=-2; detail=stale-while-revalidate");
    expect(changesIn(stale)).toBe(0);
    await pass(100);
    expect(await changesSeen()).toBe(1);
    expect(database.reads).toBe(2);
  });

  test("is replaced before it is served when it is older still", async () => {
    await readThenPass(16_000);
    expect((await read()).cacheStatus).toBe("fwd=stale; stored");
  });

  test("is used by another origin", async () => {
    await shareThenPass(1_000);
    expect(await read({}, other)).toMatchObject({ cacheStatus: "hit; ttl=3", ageS: 2 });
    expect(database.reads).toBe(2);
  });

  test("is in Redis only if it was asked for before, by any origin", async () => {
    await read();
    await read({ query: "?locale=de" });
    await pass(100);
    expect(redis.entries()).toEqual([]);
    await readThenPass(100, other);
    expect(redis.entries()).toEqual(["test:cache:3:1:/products/1"]);
    await pass(600_000);
    await readThenPass(100, other);
    expect(redis.entries()).toEqual([]);
  });

  test("is in Redis if it is asked for by another origin before it is made", async () => {
    database.readMs = 100;
    await ended(Promise.all([origin.read(), other.read()]));
    expect([database.reads, redis.entries().length]).toEqual([1, 1]);
  });

  test("is replaced if the edge asks for a younger one", async () => {
    await readThenPass(2_000);
    expect((await read({ cacheControl: "max-age=3" })).outcome).toBe("hit");
    expect((await read({ cacheControl: "max-age=2" })).cacheStatus).toBe("fwd=request; stored");
    expect((await read({ cacheControl: "no-cache" })).outcome).toBe("miss");
    expect(database.reads).toBe(3);
  });

  test("that is a 404 is served for a short time, until a write", async () => {
    database.weather = "empty";
    await readMany(3);
    expect(database.reads).toBe(1);
    database.weather = "fair";
    await write();
    expect(await changesSeen()).toBe(1);
  });
});

describe("a request", () => {
  test("with the current version gets 304, from the cache and from a fill", async () => {
    const headers = { "if-none-match": 'W/"0"' };
    for (let turn = 0; turn < 2; turn += 1) {
      const { status, body, headers: fields } = await read({ headers });
      expect([status, body, fields.get("etag"), fields.get("content-type")]).toEqual([304, "", '"0"', null]);
    }
    expect((await read()).body).toBe('{"changes":0}');
    expect(database.reads).toBe(1);
  });

  test("for HEAD fills the cache for GET", async () => {
    expect((await read({ method: "HEAD" })).body).toBe("");
    expect((await read()).cacheStatus).toBe("hit; ttl=4");
  });

  test("with a parameter that the contract does not declare always reaches validation", async () => {
    const query = "?unknown=1";
    await read({ query });
    expect((await read({ query })).cacheStatus).not.toContain("hit");
    expect(database.reads).toBe(2);
  });

  test("with no-store from the edge bypasses the cache and stores nothing", async () => {
    const bypassed = { cacheStatus: "fwd=bypass", outcome: undefined };
    expect(await read({ cacheControl: "no-store" })).toMatchObject(bypassed);
    expect((await read()).outcome).toBe("miss");
  });

  test("has its own request id, not that of the fill", async () => {
    const results = await readMany(10);
    expect(new Set(results.map(({ headers }) => headers.get("x-request-id"))).size).toBe(10);
    database.weather = "empty";
    const missing = await read({ query: "?locale=de" });
    const again = await read({ query: "?locale=de" });
    expect(again.body).not.toBe(missing.body);
    expect(again.cacheStatus).toBe("hit; ttl=4");
    await pass(5_000);
    expect((await read({ query: "?locale=de" })).cacheStatus).toBe("fwd=stale; stored");
  });
});

describe("concurrent requests", () => {
  test("a hundred for an uncached or a stale response cost one read of the database", async () => {
    await readMany(100);
    expect(database.reads).toBe(1);
    await pass(6_000);
    const outcomes = (await readMany(100)).map(({ outcome }) => outcome);
    expect(new Set(outcomes)).toEqual(new Set(["stale"]));
    await pass(100);
    expect(database.reads).toBe(2);
    await pass(16_000);
    await readMany(100);
    expect(database.reads).toBe(3);
  });

  test("a hundred at each of two origins cost one read, too", async () => {
    await ended(Promise.all(Array.from({ length: 200 }, (_, n) => (n % 2 === 0 ? origin : other).read())));
    expect(database.reads).toBe(1);
  });

  test("do not depend on the first one's client", async () => {
    const impatient = origin.read({ timeoutMs: 1 });
    const patient = origin.read();
    expect((await ended(impatient)).status).toBe(504);
    expect(changesIn(await ended(patient))).toBe(0);
    expect(database.reads).toBe(1);
  });

  test("end the read when the last one leaves; the next one starts another", async () => {
    database.weather = "hung";
    const impatient = Promise.all([origin.read({ timeoutMs: 10 }), origin.read({ timeoutMs: 20 })]);
    await pass(15);
    expect(database.abandoned).toBe(0);
    expect((await ended(impatient)).map(({ status }) => status)).toEqual([504, 504]);
    expect([database.reads, database.abandoned]).toEqual([1, 1]);
    database.weather = "fair";
    expect(await changesSeen()).toBe(0);
  });

  test("read nothing if all of them leave while Redis answers", async () => {
    redis.delayMs = 50;
    expect((await read({ timeoutMs: 10 })).status).toBe(504);
    await pass(1_000);
    expect(database.reads).toBe(0);
    redis.delayMs = 0;
    expect(await changesSeen(other)).toBe(0);
  });

  test("do not end a background refresh when they leave", async () => {
    await readThenPass(6_000);
    await readThenPass(100);
    expect([database.reads, database.abandoned]).toEqual([2, 0]);
    expect((await read()).outcome).toBe("hit");
  });

  test("start a read again that takes longer than a second", async () => {
    database.weather = "hung";
    const reading = readMany(100);
    await pass(500);
    expect(database.reads).toBe(1);
    database.weather = "fair";
    const startedMs = Date.now();
    await reading;
    expect(database.reads).toBe(2);
    expect(Date.now() - startedMs).toBeLessThan(1_000);
  });

  test("lose a second if the origin that fills for all of them dies", async () => {
    database.weather = "hung";
    // It has the lease for all origins, and never returns it.
    void origin.read();
    await pass(100);
    database.weather = "fair";
    expect(await tookMs(() => other.read())).toBeLessThan(1_500);
  });
});

describe("after a write", () => {
  test("its origin serves nothing older, not even a response whose read had begun before", async () => {
    await read();
    database.readMs = 100;
    await pass(16_000);
    const early = origin.read();
    await pass(60);
    await write();
    expect(await changesSeen()).toBe(1);
    expect(changesIn(await ended(early))).toBe(0);
    expect(await changesSeen()).toBe(1);
  });

  test("its origin uses no older entry of another origin", async () => {
    await shareThenPass(50, other);
    await write();
    expect(await changesSeen()).toBe(1);
  });

  test("its origin uses no older entry from Redis, even if Redis missed the write", async () => {
    await shareThenPass(50, other);
    redis.weather = "away";
    await write();
    redis.weather = "fair";
    expect(await changesSeen()).toBe(1);
    await ended(origin.flush());
    // Redis has the invalidation now, for all origins.
    await pass(5_001);
    await readThenPass(200, other);
    expect(await changesSeen(other)).toBe(1);
  });

  test("no origin uses an older entry from Redis", async () => {
    await shareThenPass(50, other);
    await write();
    await pass(50);
    expect(await changesSeen(createShopOrigin(database, redis))).toBe(1);
  });

  test("its origin uses no older entry from Redis, even if Redis has lost the write again", async () => {
    await shareThenPass(50, other);
    const before = redis.copy();
    await write();
    await pass(50);
    // As after a failover to a replica that lags behind.
    redis.restore(before);
    expect(await changesSeen()).toBe(1);
  });
});

describe("while the database is down", () => {
  test("a stale response is served and marked; without one there is an error", async () => {
    await readThenPass(30_000);
    database.weather = "away";
    const { cacheStatus, ageS, outcome } = await read();
    expect(outcome).toBe("stale_on_error");
    expect(cacheStatus).toMatch(/^fwd=stale; fwd-status=503; ttl=-2\d; detail=stale-if-error$/);
    expect(ageS).toBeGreaterThanOrEqual(30);
    await pass(40_000);
    expect(await read()).toMatchObject({ status: 503, outcome: "failed" });
  });

  test("an invalidated response is served and marked, and only if no newer one can be made", async () => {
    await read();
    await write();
    database.readMs = 1_500;
    expect(await changesSeen()).toBe(1);
    await write();
    database.weather = "away";
    const cacheStatus = expect.stringMatching(/^fwd=stale; fwd-status=503; .*detail=stale-if-error$/);
    expect(await read()).toMatchObject({ outcome: "stale_on_error", cacheStatus });
    database.weather = "fair";
    expect(await changesSeen()).toBe(2);
  });

  test("an invalidated response is served after two seconds if the database hangs, or before the deadline", async () => {
    await read();
    await write();
    database.weather = "hung";
    for (const [timeoutMs, mostMs] of [
      [10_000, 2_010],
      [1_000, 1_000],
    ] as const) {
      const reading = () => origin.read({ timeoutMs });
      expect(await tookMs(async () => expect((await reading()).outcome).toBe("stale_on_error"))).toBeLessThan(
        mostMs,
      );
    }
    database.weather = "fair";
    expect(await changesSeen()).toBe(1);
  });

  test("requests with a stale response try once a second", async () => {
    await readThenPass(30_000);
    database.weather = "away";
    for (let turn = 0; turn < 50; turn += 1) {
      await read();
      await pass(100);
    }
    expect(database.reads - 1).toBeLessThanOrEqual(7);
    database.weather = "fair";
    await pass(1_000);
    expect((await read()).outcome).toBe("miss");
  });

  test("requests with a stale response wait a second at most, and later ones do not wait", async () => {
    await readThenPass(30_000);
    database.weather = "hung";
    expect(await tookMs(() => origin.read())).toBeLessThanOrEqual(1_010);
    expect(await tookMs(() => origin.read())).toBeLessThanOrEqual(1);
  });
});

describe("while Redis", () => {
  test("is down, nothing fails, and each process fills for itself", async () => {
    redis.weather = "away";
    await readMany(10);
    await readMany(10, other);
    expect(database.reads).toBe(2);
  });

  test("is slow, it delays no other origin", async () => {
    redis.delayMs = 150;
    await read();
    redis.delayMs = 0;
    await pass(200);
    expect(await tookMs(() => other.read())).toBeLessThan(100);
  });

  test("hangs, no request waits longer than 100 ms for it", async () => {
    redis.weather = "hung";
    expect(await tookMs(() => origin.read())).toBeLessThan(150);
  });
});
