import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Order } from "../../src/contract/api/orders.ts";
import { Product } from "../../src/contract/api/products.ts";
import { page } from "../../src/contract/schemas.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { addProduct } from "../support/add-product.ts";
import { problemOf } from "../support/problem-of.ts";
import { type System, startSystem } from "../support/system.ts";

const OrderPage = page(Order);
const ProductPage = page(Product);

let system: System;
let alice: string;
let bob: string;
let orderCursor: string;
let productCursor: string;

const orderPage = async (query: string, key: string) =>
  OrderPage.parse(await (await system.call(`/v1/orders?${query}`, { key })).json());
const productPage = async (query: string) =>
  ProductPage.parse(await (await system.call(`/v1/products?${query}`)).json());

beforeAll(async () => {
  system = await startSystem({ origins: 2 });
  alice = (await system.createKey("alice")).key;
  bob = (await system.createKey("bob")).key;
  const json = { lines: [{ productId: sampleProductId(6), quantity: 1 }] };
  for (const key of [alice, alice, alice, bob, bob]) {
    expect((await system.call("/v1/orders", { method: "POST", key, json })).status).toBe(201);
  }
  orderCursor = (await orderPage("limit=1", alice)).nextCursor ?? "";
  productCursor = (await productPage("limit=1")).nextCursor ?? "";
});
afterAll(() => system?.stop());

const expectNoCursor = async (response: Response): Promise<void> => {
  expect(await problemOf(response)).toMatchObject({
    status: 400,
    code: "invalid_request",
    errors: [{ in: "query", field: "cursor" }],
  });
};

describe("a cursor", () => {
  test("leads on in the list that gave it, with a limit of any size", async () => {
    const first = await orderPage("limit=1", alice);
    const rest = await orderPage(`limit=50&cursor=${orderCursor}`, alice);
    expect(rest.items).toHaveLength(2);
    expect(rest.items.map(({ id }) => id)).not.toContain(first.items[0]?.id);
  });

  test("is not another principal's", async () => {
    await expectNoCursor(await system.call(`/v1/orders?cursor=${orderCursor}`, { key: bob }));
  });

  test("is not another list's", async () => {
    await expectNoCursor(await system.call(`/v1/products?cursor=${orderCursor}`));
    await expectNoCursor(await system.call(`/v1/orders?cursor=${productCursor}`, { key: alice }));
  });

  test("is not another filter's", async () => {
    await expectNoCursor(await system.call(`/v1/products?q=a&cursor=${productCursor}`));
    const filtered = (await productPage("q=a&limit=1")).nextCursor;
    expect(filtered).not.toBeNull();
    await expectNoCursor(await system.call(`/v1/products?cursor=${filtered}`));
    await expectNoCursor(await system.call(`/v1/products?q=b&cursor=${filtered}`));
    expect((await productPage(`q=a&cursor=${filtered}`)).items.length).toBeGreaterThan(0);
  });

  test("is refused when any one character of it is another", async () => {
    const altered = Array.from(orderCursor, (character, at) => {
      // Of the last one only some bits count: these two differ in them.
      const other = character === "A" ? "Q" : "A";
      return `${orderCursor.slice(0, at)}${other}${orderCursor.slice(at + 1)}`;
    });
    for (const cursor of altered) {
      await expectNoCursor(await system.call(`/v1/orders?cursor=${cursor}`, { key: alice }));
    }
  });

  test.each([
    ["an id", sampleProductId(3)],
    ["an id without a seal", Buffer.from(sampleProductId(3)).toString("base64url")],
    [
      "an id under a seal of zeros",
      Buffer.concat([Buffer.alloc(16), Buffer.from(sampleProductId(3))]).toString("base64url"),
    ],
    ["nothing", ""],
    ["no base64url", "%01%ff"],
    ["a quote", "'"],
    ["too much", "A".repeat(301)],
  ])("%s is none", async (_, cursor) => {
    await expectNoCursor(await system.call(`/v1/products?cursor=${cursor}`));
  });

  test("that is given twice is refused", async () => {
    await expectNoCursor(await system.call(`/v1/products?cursor=${productCursor}&cursor=${productCursor}`));
  });
});

describe("a limit", () => {
  test.each([
    "101",
    "0",
    "-1",
    "1.5",
    "ten",
    "",
    "1e1",
    "99999999999999999999",
  ])("%j is 400", async (limit) => {
    expect(await problemOf(await system.call(`/v1/products?limit=${limit}`))).toMatchObject({
      status: 400,
      errors: [{ in: "query", field: "limit" }],
    });
  });

  test("of 100 is the largest", async () => {
    expect((await system.call("/v1/products?limit=100")).status).toBe(200);
  });
});

test("pages of any length walk all products once, in the same order", async () => {
  for (let n = 0; n < 6; n += 1) await addProduct(system, alice, n);
  const all = (await productPage("limit=100")).items.map(({ id }) => id);
  expect(all).toHaveLength(12);
  for (const limit of [1, 5, 6, 11, 12]) {
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const query: string = cursor === "" ? `limit=${limit}` : `limit=${limit}&cursor=${cursor}`;
      const { items, nextCursor } = await productPage(query);
      expect(items.length).toBeLessThanOrEqual(limit);
      seen.push(...items.map(({ id }) => id));
      cursor = nextCursor;
    }
    expect(seen).toEqual(all);
  }
});
