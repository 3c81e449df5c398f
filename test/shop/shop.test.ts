import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Order } from "#api/contract/orders.ts";
import { Product } from "#api/contract/products.ts";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { page } from "../../src/contract/schemas.ts";
import { hold, waitingCount } from "../support/locks.ts";
import { problemOf } from "../support/problem-of.ts";
import { addProduct, orderCount, stockOf } from "../support/products.ts";
import { type System, startSystem } from "../support/system.ts";

const OrderPage = page(Order);
const ProductPage = page(Product);
/** Longer than all clients' requests take on a busy machine, milliseconds. */
const PATIENCE_MS = 120_000;

let system: System;
let alice: string;
let bob: string;

beforeAll(async () => {
  system = await startSystem({ origins: 2 });
  alice = (await system.createKey("alice")).key;
  bob = (await system.createKey("bob")).key;
});
afterAll(() => system?.stop());

const buy = (productId: string, quantity = 1, key = alice): Promise<Response> =>
  system.call("/v1/orders", { method: "POST", key, json: { lines: [{ productId, quantity }] } });

/** Retries a 503 after Retry-After, each client at another moment. */
const patiently = async (call: () => Promise<Response>): Promise<Response> => {
  const untilMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await call();
    const retryAfterS = Number(answer.headers.get("retry-after"));
    if (answer.status !== 503 || !(retryAfterS > 0) || performance.now() > untilMs) return answer;
    await answer.body?.cancel();
    await pause(retryAfterS * (1 + Math.random()) * 1_000);
  }
};

describe("stock", () => {
  test("of 50 pieces is sold to exactly 50 of 200 concurrent buyers", async () => {
    const productId = await addProduct(system, alice, 50);
    const answers = await Promise.all(Array.from({ length: 200 }, () => patiently(() => buy(productId))));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(50);
    const problems = await Promise.all(answers.filter(({ status }) => status !== 201).map(problemOf));
    expect(problems.filter(({ code }) => code === "out_of_stock")).toHaveLength(150);
    expect(await stockOf(system, productId)).toBe(0);
    expect(await orderCount(system, productId)).toBe(50);
  });

  test("survives concurrent orders and cancellations of crossing lines, without a deadlock", async () => {
    const [a, b] = [await addProduct(system, alice, 1000), await addProduct(system, alice, 1000)];
    const order = async (first: string, second: string): Promise<void> => {
      const lines = [first, second].map((productId) => ({ productId, quantity: 1 }));
      const post = (path: string, json?: object) =>
        patiently(() => system.call(path, { method: "POST", key: alice, json }));
      const placed = await post("/v1/orders", { lines });
      expect(placed.status).toBe(201);
      const { id } = Order.parse(await placed.json());
      expect((await post(`/v1/orders/${id}/cancel`)).status).toBe(200);
    };
    await Promise.all(Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? order(a, b) : order(b, a))));
    expect([await stockOf(system, a), await stockOf(system, b)]).toEqual([1000, 1000]);
  });

  test("an order that waits for a restock gets the restocked piece", async () => {
    const productId = await addProduct(system, alice, 0);
    const restock = await hold(system.databaseUrl, "UPDATE products SET stock = stock + 1 WHERE id = $1", [
      productId,
    ]);
    const waiting = buy(productId);
    await expect.poll(() => waitingCount(system)).toBe(1);
    await restock.commit();
    expect((await waiting).status).toBe(201);
    expect(await stockOf(system, productId)).toBe(0);
  });

  test("orders, cancellations and restocks of one product never fail and never lose a piece", async () => {
    const productId = await addProduct(system, alice, 1);
    const restocks = 20;
    const restock = async (): Promise<void> => {
      await system.pool.query("UPDATE products SET stock = stock + 1 WHERE id = $1", [productId]);
    };
    const buyAndCancel = async (): Promise<number[]> => {
      const placed = await patiently(() => buy(productId));
      if (placed.status !== 201) return [placed.status];
      const { id } = Order.parse(await placed.json());
      const cancel = () => system.call(`/v1/orders/${id}/cancel`, { method: "POST", key: alice });
      return [placed.status, (await patiently(cancel)).status];
    };
    const buyers = Array.from({ length: 12 }, async () => {
      const statuses: number[] = [];
      for (let turn = 0; turn < 8; turn += 1) statuses.push(...(await buyAndCancel()));
      return statuses;
    });
    for (let turn = 0; turn < restocks; turn += 1) await restock();
    const statuses = new Set((await Promise.all(buyers)).flat());
    expect([...statuses].filter((status) => ![200, 201, 409].includes(status))).toEqual([]);
    expect(await stockOf(system, productId)).toBe(1 + restocks);
  });

  test("is not taken by an order with an unavailable line", async () => {
    const [plenty, scarce] = [await addProduct(system, alice, 10), await addProduct(system, alice, 1)];
    const lines = [
      { productId: plenty, quantity: 5 },
      { productId: scarce, quantity: 2 },
    ];
    const response = await system.call("/v1/orders", { method: "POST", key: alice, json: { lines } });
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({
      code: "out_of_stock",
      errors: [{ in: "body", field: "lines[1].quantity", detail: "Only 1 left" }],
    });
    expect(await stockOf(system, plenty)).toBe(10);
  });

  test("is returned once by a canceled order", async () => {
    const productId = await addProduct(system, alice, 5);
    const { id } = Order.parse(await (await buy(productId, 3)).json());
    const cancel = () => system.call(`/v1/orders/${id}/cancel`, { method: "POST", key: alice });
    const answers = await Promise.all([cancel(), cancel(), cancel()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    expect(await stockOf(system, productId)).toBe(5);
  });
});

test("an order of an unknown product is 422, and the problem names the line", async () => {
  const response = await buy(crypto.randomUUID());
  expect(response.status).toBe(422);
  expect(await response.json()).toMatchObject({
    code: "unknown_product",
    errors: [{ in: "body", field: "lines[0].productId" }],
  });
});

const orderPage = async (query: string, key: string) =>
  OrderPage.parse(await (await system.call(`/v1/orders?${query}`, { key })).json());
const productPage = async (query: string) =>
  ProductPage.parse(await (await system.call(`/v1/products?${query}`)).json());

interface Page {
  readonly items: readonly { readonly id: string }[];
  readonly nextCursor: string | null;
}

/** The ids of all pages, from the first to the last. */
const walk = async (limit: number, read: (query: string) => Promise<Page>): Promise<string[]> => {
  const seen: string[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const query: string = cursor === "" ? `limit=${limit}` : `limit=${limit}&cursor=${cursor}`;
    const { items, nextCursor } = await read(query);
    expect(items.length).toBeLessThanOrEqual(limit);
    seen.push(...items.map(({ id }) => id));
    cursor = nextCursor;
  }
  return seen;
};

describe("a list", () => {
  test("of orders has only the principal's, newest first, on all pages", async () => {
    const { key } = await system.createKey("carol");
    const placed: string[] = [];
    for (let n = 0; n < 5; n += 1)
      placed.push(Order.parse(await (await buy(sampleProductId(6), 1, key)).json()).id);
    expect(await walk(2, (query) => orderPage(query, key))).toEqual(placed.sort().reverse());
  });

  test("of products is the same with any page size", async () => {
    for (let n = 0; n < 6; n += 1) await addProduct(system, alice, n);
    const all = (await productPage("limit=100")).items.map(({ id }) => id);
    expect(all.length).toBeGreaterThanOrEqual(12);
    for (const limit of [1, 5, 6, 11, all.length]) expect(await walk(limit, productPage)).toEqual(all);
  });
});

describe("a cursor", () => {
  let orderCursor: string;
  let productCursor: string;
  beforeAll(async () => {
    for (const key of [alice, alice, bob]) expect((await buy(sampleProductId(6), 1, key)).status).toBe(201);
    orderCursor = (await orderPage("limit=1", alice)).nextCursor ?? "";
    productCursor = (await productPage("limit=1")).nextCursor ?? "";
    expect((await orderPage(`cursor=${orderCursor}`, alice)).items.length).toBeGreaterThan(0);
  });

  const expectNoCursor = async (path: string, key?: string): Promise<void> => {
    const response = await system.call(path, key === undefined ? {} : { key });
    expect(await problemOf(response)).toMatchObject({
      code: "invalid_request",
      errors: [{ in: "query", field: "cursor" }],
    });
  };

  test("is rejected for another principal, and for another list", async () => {
    await expectNoCursor(`/v1/orders?cursor=${orderCursor}`, bob);
    await expectNoCursor(`/v1/products?cursor=${orderCursor}`);
    await expectNoCursor(`/v1/orders?cursor=${productCursor}`, alice);
  });

  test("is rejected for another filter", async () => {
    await expectNoCursor(`/v1/products?q=th&cursor=${productCursor}`);
    const filtered = (await productPage("q=th&limit=1")).nextCursor;
    expect(filtered).not.toBeNull();
    await expectNoCursor(`/v1/products?cursor=${filtered}`);
    await expectNoCursor(`/v1/products?q=no&cursor=${filtered}`);
    expect((await productPage(`q=th&cursor=${filtered}`)).items.length).toBeGreaterThan(0);
  });

  test("is rejected if any of its characters is changed", async () => {
    const altered = Array.from(orderCursor, (character, at) => {
      // These differ in the significant bits of the last one.
      const other = character === "A" ? "Q" : "A";
      return `${orderCursor.slice(0, at)}${other}${orderCursor.slice(at + 1)}`;
    });
    await Promise.all(altered.map((cursor) => expectNoCursor(`/v1/orders?cursor=${cursor}`, alice)));
  });

  const unsealed = Buffer.from(sampleProductId(3));
  test.each([
    ["an id", sampleProductId(3)],
    ["an id without a seal", unsealed.toString("base64url")],
    ["an id under a seal of zeros", Buffer.concat([Buffer.alloc(16), unsealed]).toString("base64url")],
    ["empty", ""],
    ["not base64url", "%01%ff"],
    ["a quote", "'"],
  ])("is rejected if it is %s", async (_, cursor) => {
    await expectNoCursor(`/v1/products?cursor=${cursor}`);
  });
});
