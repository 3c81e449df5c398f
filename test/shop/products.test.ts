import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Order } from "#api/contract/orders.ts";
import { Product } from "#api/contract/products.ts";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { page } from "../../src/contract/schemas.ts";
import { problemOf } from "../support/problem-of.ts";
import { addProduct, stockOf } from "../support/products.ts";
import { sendSigned } from "../support/signed-request.ts";
import { type System, startSystem } from "../support/system.ts";

const ProductPage = page(Product);

let system: System;
let alice: string;

beforeAll(async () => {
  system = await startSystem();
  alice = (await system.createKey("alice")).key;
});
afterAll(() => system?.stop());

const productPage = async (query: string) =>
  ProductPage.parse(await (await system.call(`/v1/products?${query}`)).json());

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

  test("If-Match: * makes every one of twenty concurrent changes", async () => {
    const path = `/v1/products/${await addProduct(system, alice, 1)}`;
    const change = (headers: Record<string, string>, n: number) =>
      system.call(path, { method: "PATCH", key: alice, json: { description: `Change ${n}.` }, headers });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => change({ "if-match": "*" }, n)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(new Set(answers.map(({ headers }) => headers.get("etag"))).size).toBe(20);
    expect((await change({ "if-match": 'W/ "21"' }, 0)).status).toBe(412);
    expect((await change({ "if-match": '"20", "21"' }, 0)).status).toBe(200);
  });

  test("a canceled order may lift the stock above what a client may set, and the product is still valid", async () => {
    const productId = await addProduct(system, alice, 100);
    const order = { lines: [{ productId, quantity: 100 }] };
    const { id } = Order.parse(
      await (await system.call("/v1/orders", { method: "POST", key: alice, json: order })).json(),
    );
    const json = { stock: 1_000_000 };
    const path = `/v1/products/${productId}`;
    await system.call(path, { method: "PATCH", key: alice, json, headers: { "if-match": "*" } });
    expect((await system.call(`/v1/orders/${id}/cancel`, { method: "POST", key: alice })).status).toBe(200);
    await expect.poll(() => stockOf(system, productId)).toBe(1_000_100);
    expect(Product.safeParse(await (await system.call(path)).json()).error).toBeUndefined();
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

  const lone = "\ud800";
  const product = { name: "Lamp", description: "", price: { amount: 1, currency: "EUR" }, stock: 1 };
  test.each([
    ["POST", "/v1/products", { ...product, name: `${lone}x` }, "name"],
    ["POST", "/v1/products", { ...product, description: `x${lone}` }, "description"],
    ["POST", "/v1/products", { ...product, [lone]: 1 }, ""],
    ["POST", "/v1/products", { ...product, price: { amount: 1, currency: lone } }, "price.currency"],
    [
      "POST",
      "/v1/orders",
      { lines: [{ productId: sampleProductId(1), quantity: 1, [lone]: 1 }] },
      "lines[0]",
    ],
    ["POST", "/admin/blocklist", { network: "192.0.2.1", reason: `a \udc00 reason` }, "reason"],
  ])("%s %s rejects text that is not Unicode, and names the field: %j", async (method, path, json, field) => {
    const response = await system.call(path, { method, key: alice, json });
    expect(await problemOf(response)).toMatchObject({
      status: 400,
      code: "invalid_request",
      errors: [{ in: "body", field, detail: "Must be Unicode text, without lone surrogates" }],
    });
  });

  test("a pair of surrogates is text", async () => {
    const json = { ...product, name: "\ud83d\ude00 \ufffd" };
    const added = await system.call("/v1/products", { method: "POST", key: alice, json });
    expect(Product.parse(await added.json()).name).toBe(json.name);
  });

  test.each([
    ["/v1/products?q=%FF", "q"],
    ["/v1/products?limit=1&q=x%ED%A0%80", "q"],
    ["/v1/products?q=%EF%BF%BD&q%C3=1", "q\ufffd"],
  ])("%s rejects a query that is not UTF-8, and names the parameter", async (path, field) => {
    const response = await system.call(path);
    expect(await problemOf(response)).toMatchObject({
      status: 400,
      code: "invalid_request",
      errors: [{ in: "query", field, detail: "Must be percent-encoded UTF-8" }],
    });
  });

  describe("a search", () => {
    const names = async (q: string): Promise<string[]> => {
      const { items } = await productPage(new URLSearchParams({ q, limit: "100" }).toString());
      return items.map(({ name }) => name);
    };
    const add = async (name: string): Promise<string> => {
      const json = { name, description: "", price: { amount: 1, currency: "EUR" }, stock: 1 };
      const added = await system.call("/v1/products", { method: "POST", key: alice, json });
      return Product.parse(await added.json()).name;
    };

    test("has one cache entry at an origin, however its words are written", async () => {
      const outcomeOf = async (query: string): Promise<string> =>
        (await sendSigned(system, `/v1/products?${query}`)).headers.get("cache-status") ?? "";
      expect(await outcomeOf("q=compass")).toBe("breakwater-origin; fwd=miss; stored");
      for (const query of [
        "q=compass!",
        "q=Compass%20compass",
        "limit=020&q=%E2%80%94compass.,",
        "q=compass&limit=20",
      ])
        expect(await outcomeOf(query)).toMatch(/^breakwater-origin; hit/);
    });

    test.each([
      ["USB 3.2 hub", ["3.2", "usb 3", "hub 2 3"]],
      ["AC/DC record", ["AC", "DC", "ac/dc", "dc rec"]],
      ["हिन्दी किताब", ["हिन्दी", "हिन", "किताब"]],
      ["Caf\u00e9 noir", ["Cafe\u0301", "caf\u00c9", "caf"]],
      ["Cre\u0300me fraiche", ["cr\u00e8me", "cre\u0300"]],
      ["L'été “rouge”", ["été", "l", "ROUGE"]],
      ["Pneumonoultramicroscopic", ["pneumonoultramicroscopic", "pneumonoultramicrosc"]],
    ])("of %j finds it by any beginning of its words, in any form: %j", async (name, queries) => {
      await add(name);
      for (const q of queries) expect([q, await names(q)]).toEqual([q, expect.arrayContaining([name])]);
    });

    test.each([
      "sb",
      "3.5",
      "c",
      "ता",
    ])("does not find the middle of a word, or half of it by one character: %j", async (q) => {
      for (const name of ["USB 3.2 hub", "AC/DC record", "हिन्दी किताब"]) await add(name);
      expect(await names(q)).toEqual([]);
    });

    test("takes at most six words", async () => {
      expect((await system.call("/v1/products?q=a+b+c+d+e+f.")).status).toBe(200);
      const rejected = await system.call(`/v1/products?q=${"a+".repeat(49)}a`);
      expect(await problemOf(rejected)).toMatchObject({
        code: "invalid_request",
        errors: [{ in: "query", field: "q", detail: "Must have at most six words" }],
      });
    });
  });
});
