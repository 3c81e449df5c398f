import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { CacheResult } from "../../../src/origin/cache/answer-cache.ts";
import { DeadlineError } from "../../../src/origin/db/errors.ts";
import { ended, tookMs } from "../../support/timed.ts";
import { createMemoryRedis, type MemoryRedis } from "./support/memory-redis.ts";
import {
  changesIn,
  createDatabase,
  createShopOrigin,
  type Database,
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
const outcomes = (results: readonly CacheResult[]): Set<string> =>
  new Set(results.map(({ outcome }) => outcome));
const readMany = (count: number, from: ShopOrigin = origin): Promise<CacheResult[]> =>
  ended(Promise.all(Array.from({ length: count }, () => from.read())));

describe("what is asked for again", () => {
  test("is answered from memory while it is fresh, with its age", async () => {
    expect((await ended(origin.read())).status).toEqual({ forward: "miss", stored: true, collapsed: false });
    await pass(3_000);
    const { status, ageS } = await ended(origin.read());
    expect(status).toEqual({ hit: true, ttlS: 1 });
    expect(ageS).toBe(4);
    expect(database.reads).toBe(1);
  });

  test("is answered stale, and made anew in the background, when it is a little older", async () => {
    await ended(origin.read());
    await ended(other.write());
    await pass(6_000);
    const stale = await ended(origin.read());
    expect(stale.status).toMatchObject({ hit: true, detail: "stale-while-revalidate" });
    expect(changesIn(stale)).toBe(0);
    await pass(100);
    expect(changesIn(await ended(origin.read()))).toBe(1);
    expect(database.reads).toBe(2);
  });

  test("is made anew before it is answered when it is older still", async () => {
    await ended(origin.read());
    await pass(16_000);
    expect((await ended(origin.read())).status).toMatchObject({ forward: "stale", stored: true });
  });

  test("is taken from another origin that has made it", async () => {
    await ended(origin.read());
    await pass(1_000);
    const { status, ageS } = await ended(other.read());
    expect(status).toMatchObject({ hit: true });
    expect(ageS).toBe(2);
    expect(database.reads).toBe(1);
  });

  test("is made anew where only a younger answer is wanted", async () => {
    await ended(origin.read());
    await pass(2_000);
    expect((await ended(origin.read({ maxAgeMs: 3_000 }))).outcome).toBe("hit");
    expect((await ended(origin.read({ maxAgeMs: 2_000 }))).status).toMatchObject({ forward: "request" });
    expect((await ended(origin.read({ maxAgeMs: 0 }))).outcome).toBe("miss");
    expect(database.reads).toBe(3);
  });

  test("that there is nothing is remembered for a short time, until a write", async () => {
    database.weather = "empty";
    await readMany(3);
    expect(database.reads).toBe(1);
    database.weather = "fair";
    await ended(origin.write());
    expect(changesIn(await ended(origin.read()))).toBe(1);
  });
});

describe("many who ask at once", () => {
  test("a hundred readers of what nobody has yet cost one read of the database", async () => {
    await readMany(100);
    expect(database.reads).toBe(1);
  });

  test("so do a hundred readers of what is stale", async () => {
    await readMany(1);
    await pass(6_000);
    expect(outcomes(await readMany(100))).toEqual(new Set(["stale"]));
    await pass(100);
    expect(database.reads).toBe(2);
    await pass(16_000);
    await readMany(100);
    expect(database.reads).toBe(3);
  });

  test("so do a hundred readers at each of two origins", async () => {
    await ended(Promise.all(Array.from({ length: 200 }, (_, n) => (n % 2 === 0 ? origin : other).read())));
    expect(database.reads).toBe(1);
  });

  test("one whose client goes away ends nobody else's answer", async () => {
    const impatient = origin.read({ timeoutMs: 1 });
    const patient = origin.read();
    await expect(ended(impatient)).rejects.toBeInstanceOf(DeadlineError);
    expect(changesIn(await ended(patient))).toBe(0);
    expect(database.reads).toBe(1);
  });

  test("when the last of them goes away the read is ended, and the next one begins anew", async () => {
    database.weather = "hung";
    const impatient = Promise.allSettled([origin.read({ timeoutMs: 10 }), origin.read({ timeoutMs: 20 })]);
    await pass(15);
    expect(database.abandoned).toBe(0);
    expect((await ended(impatient)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect([database.reads, database.abandoned]).toEqual([1, 1]);
    database.weather = "fair";
    expect(changesIn(await ended(origin.read()))).toBe(0);
  });

  test("a read for later goes on although nobody waits for it", async () => {
    await ended(origin.read());
    await pass(6_000);
    await ended(origin.read());
    await pass(100);
    expect([database.reads, database.abandoned]).toEqual([2, 0]);
    expect((await ended(origin.read())).outcome).toBe("hit");
  });

  test("a read that does not come back is begun once more after a second", async () => {
    database.weather = "hung";
    const reading = readMany(100);
    await pass(500);
    expect(database.reads).toBe(1);
    database.weather = "fair";
    const beganMs = Date.now();
    await reading;
    expect(database.reads).toBe(2);
    expect(Date.now() - beganMs).toBeLessThan(1_000);
  });

  test("an origin that dies while it makes an answer for the others costs them a second", async () => {
    database.weather = "hung";
    // It has the lease of all origins, and never gives it back.
    origin.read().catch(() => undefined);
    await pass(100);
    database.weather = "fair";
    expect(await tookMs(() => other.read())).toBeLessThan(1_500);
  });
});

describe("after a write", () => {
  test("the origin that took it serves nothing older, not even what it had just begun to read", async () => {
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

  test("nor what another origin has kept in Redis", async () => {
    await ended(other.read());
    await pass(50);
    await ended(origin.write());
    expect(changesIn(await ended(origin.read()))).toBe(1);
  });

  test("nor, while Redis could not be told of it, what Redis had kept before", async () => {
    await ended(other.read());
    await pass(50);
    redis.weather = "away";
    await ended(origin.write());
    redis.weather = "fair";
    expect(changesIn(await ended(origin.read()))).toBe(1);
    await ended(origin.levelTwo.flush());
    // Now Redis knows, and so do the others.
    await pass(5_001);
    await ended(other.read());
    await pass(200);
    expect(changesIn(await ended(other.read()))).toBe(1);
  });
});

describe("in Redis", () => {
  test("what was made before another origin's write is not used any more", async () => {
    await ended(other.read());
    await pass(50);
    await ended(origin.write());
    await pass(50);
    const third = createShopOrigin(database, redis);
    expect(changesIn(await ended(third.read()))).toBe(1);
  });

  test("a write that Redis has lost again makes the origin that took it use nothing older from there", async () => {
    await ended(other.read());
    await pass(50);
    const before = redis.copy();
    await ended(origin.write());
    await pass(50);
    // As after a failover to a replica that was behind.
    redis.restore(before);
    expect(changesIn(await ended(origin.read()))).toBe(1);
  });
});

describe("while the database is away", () => {
  test("what is stale is served and marked; what nobody has kept is an error", async () => {
    await ended(origin.read());
    await pass(30_000);
    database.weather = "away";
    const { status, ageS, outcome } = await ended(origin.read());
    expect(outcome).toBe("stale_on_error");
    expect(status).toMatchObject({ forward: "stale", forwardStatus: 503, detail: "stale-if-error" });
    expect(status.ttlS).toBeLessThan(0);
    expect(ageS).toBeGreaterThanOrEqual(30);
    await pass(40_000);
    await expect(ended(origin.read())).rejects.toThrow("ECONNREFUSED");
  });

  test("what a write has made old is served, marked, where nothing newer can be made, and only there", async () => {
    await ended(origin.read());
    await ended(origin.write());
    database.readMs = 1_500;
    expect(changesIn(await ended(origin.read()))).toBe(1);
    await ended(origin.write());
    database.weather = "away";
    const { status, outcome } = await ended(origin.read());
    expect(outcome).toBe("stale_on_error");
    expect(status).toMatchObject({ forward: "stale", forwardStatus: 503, detail: "stale-if-error" });
    database.weather = "fair";
    expect(changesIn(await ended(origin.read()))).toBe(2);
  });

  test("so is it, a moment before the request's own end, while the database hangs", async () => {
    await ended(origin.read());
    await ended(origin.write());
    database.weather = "hung";
    const { outcome } = await ended(origin.read({ timeoutMs: 3_000 }));
    expect(outcome).toBe("stale_on_error");
  });

  test("it is tried once a second at most for what can be served stale", async () => {
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

  test("nobody waits longer than a second for what can be served stale, and later nobody at all", async () => {
    await ended(origin.read());
    await pass(30_000);
    database.weather = "hung";
    expect(await tookMs(() => origin.read())).toBeLessThanOrEqual(1_010);
    expect(await tookMs(() => origin.read())).toBeLessThanOrEqual(1);
  });
});

describe("while Redis is away", () => {
  test("nothing fails, and each process has its own answers", async () => {
    redis.weather = "away";
    await readMany(10);
    await readMany(10, other);
    expect(database.reads).toBe(2);
  });

  test("and answers too late, it holds up no other origin", async () => {
    redis.delayMs = 150;
    await ended(origin.read());
    redis.delayMs = 0;
    await pass(200);
    const third = createShopOrigin(database, redis);
    expect(await tookMs(() => third.read())).toBeLessThan(100);
  });

  test("that hangs nobody waits longer than its bound", async () => {
    redis.weather = "hung";
    expect(await tookMs(() => origin.read())).toBeLessThan(150);
  });
});
