import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Order } from "../../src/contract/api/orders.ts";
import { Product } from "../../src/contract/api/products.ts";
import { page } from "../../src/contract/schemas.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { addProduct, stockOf } from "../support/add-product.ts";
import { problemOf } from "../support/problem-of.ts";
import { type System, startSystem } from "../support/system.ts";

const OrderPage = page(Order);
const ProductPage = page(Product);
/** Longer than the work of all clients together takes on a busy machine, milliseconds. */
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

/** Tries again after a 503, as Retry-After says, each client at another moment. */
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
  test("200 concurrent buyers of 50 pieces get exactly 50 orders and 150 clean refusals", async () => {
    const productId = await addProduct(system, alice, 50);
    const answers = await Promise.all(Array.from({ length: 200 }, () => patiently(() => buy(productId))));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(50);
    const refusals = await Promise.all(answers.filter(({ status }) => status !== 201).map(problemOf));
    expect(refusals.filter(({ status, code }) => status === 409 && code === "out_of_stock")).toHaveLength(
      150,
    );
    expect(await stockOf(system, productId)).toBe(0);
    const [sold] = await system.pool.query<{ orders: number }>(
      "SELECT count(DISTINCT order_id)::int AS orders FROM order_lines WHERE product_id = $1",
      [productId],
    );
    expect(sold?.orders).toBe(50);
  });

  test("orders and cancellations of crossing lines never deadlock and never lose a piece", async () => {
    const [a, b] = [await addProduct(system, alice, 1000), await addProduct(system, alice, 1000)];
    const order = async (first: string, second: string): Promise<void> => {
      const lines = [first, second].map((productId) => ({ productId, quantity: 1 }));
      const placed = await patiently(() =>
        system.call("/v1/orders", { method: "POST", key: alice, json: { lines } }),
      );
      expect(placed.status).toBe(201);
      const { id } = Order.parse(await placed.json());
      const cancelled = await patiently(() =>
        system.call(`/v1/orders/${id}/cancel`, { method: "POST", key: alice }),
      );
      expect(cancelled.status).toBe(200);
    };
    await Promise.all(Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? order(a, b) : order(b, a))));
    expect([await stockOf(system, a), await stockOf(system, b)]).toEqual([1000, 1000]);
  });

  test("an order of which one line cannot be served takes nothing", async () => {
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

  test("a cancelled order gives its stock back, once", async () => {
    const productId = await addProduct(system, alice, 5);
    const { id } = Order.parse(await (await buy(productId, 3)).json());
    const cancel = () => system.call(`/v1/orders/${id}/cancel`, { method: "POST", key: alice });
    const answers = await Promise.all([cancel(), cancel(), cancel()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    expect(await stockOf(system, productId)).toBe(5);
  });

  test("a product that does not exist is named by its place in the order", async () => {
    const response = await buy(crypto.randomUUID());
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      code: "unknown_product",
      errors: [{ in: "body", field: "lines[0].productId" }],
    });
  });
});

describe("products", () => {
  test("the version that the client holds is answered 304", async () => {
    const path = `/v1/products/${sampleProductId(2)}`;
    const etag = (await system.call(path)).headers.get("etag") ?? "";
    const response = await system.call(path, { headers: { "if-none-match": `W/${etag}` } });
    expect(response.status).toBe(304);
    expect(response.headers.get("etag")).toBe(etag);
  });

  test("a change needs If-Match, and of twenty changes to one version one is made", async () => {
    const path = `/v1/products/${sampleProductId(3)}`;
    const etag = (await system.call(path)).headers.get("etag") ?? "";
    const change = (headers: Record<string, string>, n = 0) =>
      system.call(path, { method: "PATCH", key: alice, json: { description: `Change ${n}.` }, headers });
    expect((await change({})).status).toBe(428);
    expect((await change({ "if-match": '"0"' })).status).toBe(412);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => change({ "if-match": etag }, n)));
    const [changed, ...others] = answers.filter(({ status }) => status === 200);
    expect(others).toEqual([]);
    const refusals = await Promise.all(answers.filter(({ status }) => status !== 200).map(problemOf));
    expect(refusals.map(({ code }) => code)).toEqual(Array(19).fill("precondition_failed"));
    const kept = await system.call(path);
    expect(await kept.json()).toEqual(await changed?.json());
    expect(kept.headers.get("etag")).toBe(changed?.headers.get("etag"));
    expect(kept.headers.get("etag")).not.toBe(etag);
  });

  test("the filter finds by the beginnings of words", async () => {
    const list = await (await system.call("/v1/products?q=lant")).text();
    expect(list).toContain("Storm lantern");
    expect(list).not.toContain("Mooring rope");
    expect(await (await system.call("/v1/products?q=%26%7C!()")).json()).toEqual({
      items: [],
      nextCursor: null,
    });
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
  test("of orders holds one's own alone, newest first, on all of its pages", async () => {
    const { key } = await system.createKey("carol");
    const placed: string[] = [];
    for (let n = 0; n < 5; n += 1)
      placed.push(Order.parse(await (await buy(sampleProductId(6), 1, key)).json()).id);
    expect(await walk(2, (query) => orderPage(query, key))).toEqual(placed.sort().reverse());
  });

  test("of products is the same with pages of any length", async () => {
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

  test("is not another principal's, nor another list's", async () => {
    await expectNoCursor(`/v1/orders?cursor=${orderCursor}`, bob);
    await expectNoCursor(`/v1/products?cursor=${orderCursor}`);
    await expectNoCursor(`/v1/orders?cursor=${productCursor}`, alice);
  });

  test("is not another filter's", async () => {
    await expectNoCursor(`/v1/products?q=a&cursor=${productCursor}`);
    const filtered = (await productPage("q=a&limit=1")).nextCursor;
    expect(filtered).not.toBeNull();
    await expectNoCursor(`/v1/products?cursor=${filtered}`);
    await expectNoCursor(`/v1/products?q=b&cursor=${filtered}`);
    expect((await productPage(`q=a&cursor=${filtered}`)).items.length).toBeGreaterThan(0);
  });

  test("is refused when any one character of it is another", async () => {
    const altered = Array.from(orderCursor, (character, at) => {
      // Of the last one only some bits count: these two differ in them.
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
    ["nothing", ""],
    ["no base64url", "%01%ff"],
    ["a quote", "'"],
  ])("%s is none", async (_, cursor) => {
    await expectNoCursor(`/v1/products?cursor=${cursor}`);
  });
});
