import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Order } from "../../src/contract/api/orders.ts";
import { Product } from "../../src/contract/api/products.ts";
import { page } from "../../src/contract/schemas.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { problemOf } from "../support/problem-of.ts";
import { type System, startSystem } from "../support/system.ts";

const OrderPage = page(Order);
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

const addProduct = async (stock: number): Promise<string> => {
  const json = { name: `Limited ${crypto.randomUUID()}`, price: { amount: 100, currency: "EUR" }, stock };
  const response = await system.call("/v1/products", { method: "POST", key: alice, json });
  expect(response.status).toBe(201);
  return Product.parse(await response.json()).id;
};

const stockOf = async (id: string): Promise<number> =>
  Product.parse(await (await system.call(`/v1/products/${id}`)).json()).stock;

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
    const productId = await addProduct(50);
    const answers = await Promise.all(Array.from({ length: 200 }, () => patiently(() => buy(productId))));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(50);
    const refusals = await Promise.all(answers.filter(({ status }) => status !== 201).map(problemOf));
    expect(refusals.filter(({ status, code }) => status === 409 && code === "out_of_stock")).toHaveLength(
      150,
    );
    expect(await stockOf(productId)).toBe(0);
    const [sold] = await system.pool.query<{ orders: number }>(
      "SELECT count(DISTINCT order_id)::int AS orders FROM order_lines WHERE product_id = $1",
      [productId],
    );
    expect(sold?.orders).toBe(50);
  });

  test("orders and cancellations of crossing lines never deadlock and never lose a piece", async () => {
    const [a, b] = [await addProduct(1000), await addProduct(1000)];
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
    expect([await stockOf(a), await stockOf(b)]).toEqual([1000, 1000]);
  });

  test("an order of which one line cannot be served takes nothing", async () => {
    const [plenty, scarce] = [await addProduct(10), await addProduct(1)];
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
    expect(await stockOf(plenty)).toBe(10);
  });

  test("a cancelled order gives its stock back, once", async () => {
    const productId = await addProduct(5);
    const { id } = Order.parse(await (await buy(productId, 3)).json());
    const cancel = () => system.call(`/v1/orders/${id}/cancel`, { method: "POST", key: alice });
    const answers = await Promise.all([cancel(), cancel(), cancel()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    expect(await stockOf(productId)).toBe(5);
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

describe("ownership", () => {
  test("another person's order is 404, to read and to cancel", async () => {
    const { id } = Order.parse(await (await buy(sampleProductId(1))).json());
    for (const [path, method] of [
      [`/v1/orders/${id}`, "GET"],
      [`/v1/orders/${id}/cancel`, "POST"],
    ] as const) {
      const response = await system.call(path, { method, key: bob });
      expect(response.status).toBe(404);
      expect((await problemOf(response)).code).toBe("not_found");
    }
    expect((await system.call(`/v1/orders/${id}`, { key: alice })).status).toBe(200);
  });

  test("a list holds one's own orders alone, newest first, and pages through all of them", async () => {
    const { key } = await system.createKey("carol");
    const placed: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      placed.push(Order.parse(await (await buy(sampleProductId(6), 1, key)).json()).id);
    }
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const query: string = cursor === "" ? "limit=2" : `limit=2&cursor=${cursor}`;
      const answer = OrderPage.parse(await (await system.call(`/v1/orders?${query}`, { key })).json());
      seen.push(...answer.items.map(({ id }) => id));
      cursor = answer.nextCursor;
    }
    expect(seen).toEqual([...placed].sort().reverse());
  });
});
