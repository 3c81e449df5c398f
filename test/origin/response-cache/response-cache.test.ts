import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ended, tookMs } from "../../support/timed.ts";
import { createMemoryRedis, type MemoryRedis } from "./support/memory-redis.ts";
import {
  changesIn,
  createDatabase,
  createShopOrigin,
  type Database,
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
const outcomes = (results: readonly ReadResult[]): Set<string | undefined> =>
  new Set(results.map(({ outcome }) => outcome));
const readMany = (count: number, from: ShopOrigin = origin): Promise<ReadResult[]> =>
  ended(Promise.all(Array.from({ length: count }, () => from.read())));

describe("a response that was stored", () => {
  test("is served from memory while it is fresh, with its age", async () => {
    expect((await ended(origin.read())).cacheStatus).toBe("fwd=miss; stored");
    await pass(3_000);
    const { cacheStatus, ageS } = await ended(origin.read());
    expect(cacheStatus).toBe("hit; ttl=1");
    expect(ageS).toBe(4);
    expect(database.reads).toBe(1);
  });

  test("is served stale, and refreshed in the background, when it is a little older", async () => {
    await ended(origin.read());
    await ended(other.write());
    await pass(6_000);
    const stale = await ended(origin.read());
    expect(stale.cacheStatus).toBe("hit; ttl=-2; detail=stale-while-revalidate");
    expect(changesIn(stale)).toBe(0);
    await pass(100);
    expect(changesIn(await ended(origin.read()))).toBe(1);
    expect(database.reads).toBe(2);
  });

  test("is replaced before it is served when it is older still", async () => {
    await ended(origin.read());
    await pass(16_000);
    expect((await ended(origin.read())).cacheStatus).toBe("fwd=stale; stored");
  });

  test("is used by another origin", async () => {
    await ended(origin.read());
    await pass(1_000);
    const { cacheStatus, ageS } = await ended(other.read());
    expect(cacheStatus).toBe("hit; ttl=3");
    expect(ageS).toBe(2);
    expect(database.reads).toBe(1);
  });

  test("is replaced if the edge asks for a younger one", async () => {
    await ended(origin.read());
    await pass(2_000);
    expect((await ended(origin.read({ cacheControl: "max-age=3" }))).outcome).toBe("hit");
    const younger = await ended(origin.read({ cacheControl: "max-age=2" }));
    expect(younger.cacheStatus).toBe("fwd=request; stored");
    expect((await ended(origin.read({ cacheControl: "no-cache" }))).outcome).toBe("miss");
    expect(database.reads).toBe(3);
  });

  test("and is a 404 is served for a short time, until a write", async () => {
    database.weather = "empty";
    await readMany(3);
    expect(database.reads).toBe(1);
    database.weather = "fair";
    await ended(origin.write());
    expect(changesIn(await ended(origin.read()))).toBe(1);
  });
});

describe("a request", () => {
  test("with the current version gets 304, from the cache and from a fill", async () => {
    const headers = { "if-none-match": 'W/"0"' };
    for (let turn = 0; turn < 2; turn += 1) {
      const { status, body, headers: fields } = await ended(origin.read({ headers }));
      expect([status, body, fields.get("etag"), fields.get("content-type")]).toEqual([304, "", '"0"', null]);
    }
    expect((await ended(origin.read())).body).toBe('{"changes":0}');
    expect(database.reads).toBe(1);
  });

  test("for HEAD fills the cache for GET", async () => {
    expect((await ended(origin.read({ method: "HEAD" }))).body).toBe("");
    expect((await ended(origin.read())).cacheStatus).toBe("hit; ttl=4");
  });

  test("with its parameters in another order gets the same response", async () => {
    await ended(origin.read({ query: "?locale=de&currency=EUR" }));
    expect((await ended(origin.read({ query: "?currency=EUR&locale=de" }))).outcome).toBe("hit");
    expect((await ended(origin.read({ query: "?currency=USD&locale=de" }))).outcome).toBe("miss");
  });

  test.each(["?unknown=1", "?locale=de&locale=en"])("with %s always reaches validation", async (query) => {
    await ended(origin.read({ query }));
    expect((await ended(origin.read({ query }))).cacheStatus).not.toContain("hit");
    expect(database.reads).toBe(2);
  });

  test("with no-store from the edge bypasses the cache and stores nothing", async () => {
    const bypassed = await ended(origin.read({ cacheControl: "no-store" }));
    expect([bypassed.cacheStatus, bypassed.outcome]).toEqual(["fwd=bypass", undefined]);
    expect((await ended(origin.read())).outcome).toBe("miss");
  });

  test("has its own request id, not that of the fill", async () => {
    const results = await readMany(10);
    expect(new Set(results.map(({ headers }) => headers.get("x-request-id"))).size).toBe(10);
    database.weather = "empty";
    const missing = await ended(origin.read({ query: "?locale=de" }));
    const again = await ended(origin.read({ query: "?locale=de" }));
    expect(again.body).not.toBe(missing.body);
    expect(again.cacheStatus).toBe("hit; ttl=4");
    await pass(5_000);
    expect((await ended(origin.read({ query: "?locale=de" }))).cacheStatus).toBe("fwd=stale; stored");
  });
});

describe("concurrent requests", () => {
  test("a hundred for an uncached response cost one read of the database", async () => {
    await readMany(100);
    expect(database.reads).toBe(1);
  });

  test("a hundred for a stale response cost one read, too", async () => {
    await readMany(1);
    await pass(6_000);
    expect(outcomes(await readMany(100))).toEqual(new Set(["stale"]));
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
    expect(changesIn(await ended(origin.read()))).toBe(0);
  });

  test("read nothing if all of them leave while Redis is asked", async () => {
    redis.delayMs = 50;
    expect((await ended(origin.read({ timeoutMs: 10 }))).status).toBe(504);
    await pass(1_000);
    expect(database.reads).toBe(0);
    redis.delayMs = 0;
    expect(changesIn(await ended(other.read()))).toBe(0);
  });

  test("do not end a background refresh when they leave", async () => {
    await ended(origin.read());
    await pass(6_000);
    await ended(origin.read());
    await pass(100);
    expect([database.reads, database.abandoned]).toEqual([2, 0]);
    expect((await ended(origin.read())).outcome).toBe("hit");
  });

  test("start a read again that does not come back within a second", async () => {
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
  test("its origin serves nothing older, not even what it had just begun to read", async () => {
    await ended(origin.read());
    database.readMs = 100;
    await pass(16_000);
    const early = origin.read();
    await pass(60);
    const writing = origin.write();
    await ended(writing);
    expect(changesIn(await ended(origin.read()))).toBe(1);
    expect(changesIn(await ended(early))).toBe(0);
    expect(changesIn(await ended(origin.read()))).toBe(1);
  });

  test("its origin uses no older entry of another origin", async () => {
    await ended(other.read());
    await pass(50);
    await ended(origin.write());
    expect(changesIn(await ended(origin.read()))).toBe(1);
  });

  test("its origin uses no older entry from Redis, even if Redis missed the write", async () => {
    await ended(other.read());
    await pass(50);
    redis.weather = "away";
    await ended(origin.write());
    redis.weather = "fair";
    expect(changesIn(await ended(origin.read()))).toBe(1);
    await ended(origin.flush());
    // Now Redis knows, and the other origins learn it there.
    await pass(5_001);
    await ended(other.read());
    await pass(200);
    expect(changesIn(await ended(other.read()))).toBe(1);
  });
});

describe("in Redis", () => {
  test("a write by one origin invalidates the entries of all", async () => {
    await ended(other.read());
    await pass(50);
    await ended(origin.write());
    await pass(50);
    const third = createShopOrigin(database, redis);
    expect(changesIn(await ended(third.read()))).toBe(1);
  });

  test("a write that Redis has lost again still counts for its origin", async () => {
    await ended(other.read());
    await pass(50);
    const before = redis.copy();
    await ended(origin.write());
    await pass(50);
    // As after a failover to a replica that lags behind.
    redis.restore(before);
    expect(changesIn(await ended(origin.read()))).toBe(1);
  });
});

describe("while the database is down", () => {
  test("a stale response is served and marked; without one there is an error", async () => {
    await ended(origin.read());
    await pass(30_000);
    database.weather = "away";
    const { cacheStatus, ageS, outcome } = await ended(origin.read());
    expect(outcome).toBe("stale_on_error");
    expect(cacheStatus).toMatch(/^fwd=stale; fwd-status=503; ttl=-2\d; detail=stale-if-error$/);
    expect(ageS).toBeGreaterThanOrEqual(30);
    await pass(40_000);
    const failed = await ended(origin.read());
    expect([failed.status, failed.outcome]).toEqual([503, "failed"]);
  });

  test("an invalidated response is served and marked, and only if no newer one can be made", async () => {
    await ended(origin.read());
    await ended(origin.write());
    database.readMs = 1_500;
    expect(changesIn(await ended(origin.read()))).toBe(1);
    await ended(origin.write());
    database.weather = "away";
    const { cacheStatus, outcome } = await ended(origin.read());
    expect(outcome).toBe("stale_on_error");
    expect(cacheStatus).toMatch(/^fwd=stale; fwd-status=503; .*detail=stale-if-error$/);
    database.weather = "fair";
    expect(changesIn(await ended(origin.read()))).toBe(2);
  });

  test("an invalidated response is served shortly before the deadline if the database hangs", async () => {
    await ended(origin.read());
    await ended(origin.write());
    database.weather = "hung";
    const { outcome } = await ended(origin.read({ timeoutMs: 3_000 }));
    expect(outcome).toBe("stale_on_error");
  });

  test("requests with a stale response try once a second", async () => {
    await ended(origin.read());
    await pass(30_000);
    database.weather = "away";
    for (let turn = 0; turn < 50; turn += 1) {
      await ended(origin.read());
      await pass(100);
    }
    expect(database.reads - 1).toBeLessThanOrEqual(7);
    database.weather = "fair";
    await pass(1_000);
    expect((await ended(origin.read())).outcome).toBe("miss");
  });

  test("requests with a stale response wait a second at most, and later ones do not wait", async () => {
    await ended(origin.read());
    await pass(30_000);
    database.weather = "hung";
    expect(await tookMs(() => origin.read())).toBeLessThanOrEqual(1_010);
    expect(await tookMs(() => origin.read())).toBeLessThanOrEqual(1);
  });
});

describe("while Redis is down", () => {
  test("nothing fails, and each process fills for itself", async () => {
    redis.weather = "away";
    await readMany(10);
    await readMany(10, other);
    expect(database.reads).toBe(2);
  });

  test("or late, it delays no other origin", async () => {
    redis.delayMs = 150;
    await ended(origin.read());
    redis.delayMs = 0;
    await pass(200);
    const third = createShopOrigin(database, redis);
    expect(await tookMs(() => third.read())).toBeLessThan(100);
  });

  test("or hangs, no request waits longer than 100 ms for it", async () => {
    redis.weather = "hung";
    expect(await tookMs(() => origin.read())).toBeLessThan(150);
  });
});
