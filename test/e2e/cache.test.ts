/** Both caches as deployed: the platform's at the edge, memory and Redis at two origins. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { Product } from "#api/contract/products.ts";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { hold, waitingCount } from "../support/locks.ts";
import { countProductReads } from "../support/products.ts";
import { sendSigned } from "../support/signed-request.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
let key: string;
let reads: () => Promise<number>;

/** Products of these tests, besides the sample's. */
const OWN = [11, 12, 13, 14, 15, 16] as const;
const [one, two, three, ...rest] = OWN;
const LATE = 9;

beforeAll(async () => {
  system = await startSystem({ origins: 2 });
  key = (await system.createKey("alice")).key;
  reads = await countProductReads(system.pool);
  for (const n of [LATE, ...OWN])
    await system.pool.query(
      "INSERT INTO kept_products (id, name, description, price_minor, stock) VALUES ($1, 'Own', '', 1, 1)",
      [sampleProductId(n)],
    );
});
afterAll(() => system?.stop());

const productPath = (n: number): string => `/v1/products/${sampleProductId(n)}`;
const statusOf = (response: Response): string => response.headers.get("cache-status") ?? "";
/** A product is fresh for five seconds. */
const untilStale = () => pause(5_200);

/** Sends a signed request to one of the origins. */
const atOrigin = (index: number, path: string): Promise<Response> =>
  sendSigned({ ...system, origins: system.origins.slice(index) }, path);

const readThrough = async (path: string, times: number): Promise<Response[]> =>
  await Promise.all(
    Array.from({ length: times }, async () => {
      const response = await system.call(path);
      await response.arrayBuffer();
      return response;
    }),
  );

describe("a product", () => {
  test("is served by the edge alone to a second request", async () => {
    const path = productPath(1);
    expect(statusOf(await system.call(path))).toMatch(
      /^breakwater-origin; fwd=miss; stored, breakwater-edge; fwd=miss/,
    );
    await expect
      .poll(async () => statusOf(await system.call(path)))
      .toMatch(/, breakwater-edge; hit; ttl=\d$/);
  });

  /** The fewest and the most reads of the database for many concurrent requests, for one product after another. */
  const readsOf = async (products: readonly number[], ask: (product: number) => Promise<void>) => {
    const counts: number[] = [];
    for (const product of products) {
      const before = await reads();
      await ask(product);
      counts.push((await reads()) - before);
    }
    return { least: Math.min(...counts), most: Math.max(...counts) };
  };
  // If Redis does not respond within 100 ms, each origin reads on its own.
  const ONE_OR_TWO = { least: 1, most: expect.toBeOneOf([1, 2]) };

  test("requested by a hundred clients costs one read of the database if it is not cached", async () => {
    const counts = await readsOf([2, one], async (product) => {
      const answers = await readThrough(productPath(product), 100);
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    });
    expect(counts).toEqual(ONE_OR_TWO);
  });

  test("requested by a hundred clients costs one read of the database if it is stale", async () => {
    const stale = [3, two, three];
    for (const product of stale) await readThrough(productPath(product), 1);
    await untilStale();
    const counts = await readsOf(stale, async (product) => {
      const path = productPath(product);
      const answers = await readThrough(path, 100);
      // Later requests may get the revalidated one; a request does not wait for a cache that takes longer than 100 ms.
      const fromEdge = answers.filter((answer) => statusOf(answer).includes("breakwater-edge; hit"));
      expect(fromEdge.length).toBeGreaterThan(answers.length / 2);
      expect(fromEdge.some((answer) => statusOf(answer).includes("detail=stale-while-revalidate"))).toBe(
        true,
      );
      // The revalidation ends after these responses.
      await expect
        .poll(async () => statusOf(await system.call(path)))
        .toMatch(/, breakwater-edge; hit; ttl=\d$/);
    });
    expect(counts).toEqual(ONE_OR_TWO);
  });

  test("requested by fifty clients at each of two origins costs one read of the database", async () => {
    const counts = await readsOf(rest, async (product) => {
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, turn) => atOrigin(turn % 2, productPath(product))),
      );
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    });
    expect(counts).toEqual(ONE_OR_TWO);
  });
});

describe("a change", () => {
  test("through the edge is visible there at once, in the product and in the list", async () => {
    const path = productPath(5);
    const list = "/v1/products?limit=6";
    for (const each of [path, list]) await readThrough(each, 4);
    const etag = (await system.call(path)).headers.get("etag") ?? "";
    for (let stock = 41; stock < 44; stock += 1) {
      const present = (await system.call(path)).headers.get("etag") ?? "";
      const change = await system.call(path, {
        method: "PATCH",
        key,
        json: { stock },
        headers: { "if-match": present },
      });
      expect(change.status).toBe(200);
      expect(change.headers.has("breakwater-invalidated")).toBe(false);
      for (let turn = 0; turn < 4; turn += 1) {
        expect(Product.parse(await (await system.call(path)).json()).stock).toBe(stock);
        expect(await (await system.call(list)).text()).toContain(`"stock":${stock}`);
      }
    }
    expect((await system.call(path)).headers.get("etag")).not.toBe(etag);
  });

  test("at an origin is visible there at once, and elsewhere when the product is no longer fresh", async () => {
    const path = productPath(6);
    const stockAt = async (index: number): Promise<number> =>
      Product.parse(await (await atOrigin(index, path)).json()).stock;
    const before = await stockAt(0);
    expect(await stockAt(1)).toBe(before);
    const json = { lines: [{ productId: sampleProductId(6), quantity: 1 }] };
    const ordered = await sendSigned(system, "/v1/orders", { method: "POST", json, principal: "alice" });
    expect(ordered.status).toBe(201);
    expect(await stockAt(0)).toBe(before - 1);
    await expect.poll(() => stockAt(1), { timeout: 20_000 }).toBe(before - 1);
  });
});

describe("a search", () => {
  const entries = async (): Promise<string[]> => {
    const script = "return redis.call('KEYS', ARGV[1])";
    return z.array(z.string()).parse(await system.redis.evaluate(script, [], [`${system.keyPrefix}cache:*`]));
  };

  test("is in Redis if it was asked for twice", async () => {
    const before = await entries();
    for (let n = 0; n < 20; n += 1) expect((await atOrigin(0, `/v1/products?q=ever${n}`)).status).toBe(200);
    expect((await atOrigin(1, "/v1/products?q=ever7")).status).toBe(200);
    await expect
      .poll(async () => (await entries()).filter((name) => !before.includes(name) && name.includes("ever")))
      .toEqual([expect.stringMatching(/q=ever7$/)]);
  });
});

test("a product has one entry at an origin, however its id is written", async () => {
  const id = "0190abcd-0000-7000-8000-0000000000ef";
  await system.pool.query(
    "INSERT INTO kept_products (id, name, description, price_minor, stock) VALUES ($1, 'Own', '', 1, 1)",
    [id],
  );
  expect(statusOf(await atOrigin(0, `/v1/products/${id}`))).toContain("fwd=miss");
  expect(statusOf(await atOrigin(0, `/v1/products/${id.toUpperCase()}`))).toContain("hit");
});

describe("private data", () => {
  test("is never cached, at the edge, in memory or in Redis", async () => {
    const { key: bob } = await system.createKey("bob");
    const json = { lines: [{ productId: sampleProductId(1), quantity: 1 }] };
    const placed = await system.call("/v1/orders", { method: "POST", key, json });
    expect(placed.status).toBe(201);
    const own = placed.headers.get("location") ?? "";
    for (let turn = 0; turn < 3; turn += 1) {
      const mine = await system.call(own, { key });
      expect([mine.status, mine.headers.get("cache-control"), statusOf(mine)]).toEqual([200, "no-store", ""]);
      expect((await system.call(own, { key: bob })).status).toBe(404);
      expect((await system.call(own)).status).toBe(401);
      const list = await (await system.call("/v1/orders", { key: bob })).text();
      expect(list).not.toContain(own.split("/").at(-1));
      // Unknown parameters and fields for caches change nothing.
      expect((await system.call(`${own}?x=1`, { key: bob })).status).toBeGreaterThanOrEqual(400);
      const headers = {
        "cache-control": "only-if-cached",
        "x-original-url": own,
        "x-forwarded-host": "a.test",
      };
      expect((await system.call(own, { key: bob, headers })).status).toBe(404);
    }
    const names = await system.redis.evaluate(
      "return redis.call('KEYS', ARGV[1])",
      [],
      [`${system.keyPrefix}cache:*`],
    );
    expect(Array.isArray(names) && names.length > 0).toBe(true);
    expect(JSON.stringify(names)).not.toContain("rder");
  });
});

test("an origin that is killed while it fetches for all delays the others by at most two seconds", async () => {
  const path = productPath(LATE);
  const lock = await hold(system.databaseUrl, "LOCK TABLE kept_products IN ACCESS EXCLUSIVE MODE");
  try {
    const cut = atOrigin(0, path).catch(() => undefined);
    // The first request, or its retry after a second.
    await expect.poll(() => waitingCount(system), { timeout: 5_000 }).toBeGreaterThanOrEqual(1);
    const [leader] = system.origins;
    if (leader === undefined) throw new Error("no origin");
    await leader.kill();
    await lock.release();
    const beganMs = Date.now();
    const answer = await atOrigin(1, path);
    expect(answer.status).toBe(200);
    expect(Date.now() - beganMs).toBeLessThan(2_000);
    await cut;
  } finally {
    await lock.release();
  }
});
