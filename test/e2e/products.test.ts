import { afterAll, beforeAll, expect, test } from "vitest";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
let key: string;

beforeAll(async () => {
  system = await startSystem();
  key = (await system.createKey("alice")).key;
});
afterAll(() => system?.stop());

test("the version that the client holds is answered 304", async () => {
  const path = `/v1/products/${sampleProductId(2)}`;
  const etag = (await system.call(path)).headers.get("etag") ?? "";
  const response = await system.call(path, { headers: { "if-none-match": `W/${etag}` } });
  expect(response.status).toBe(304);
  expect(response.headers.get("etag")).toBe(etag);
});

test("a change needs If-Match, and only the present version is changed", async () => {
  const path = `/v1/products/${sampleProductId(3)}`;
  const etag = (await system.call(path)).headers.get("etag") ?? "";
  const change = (headers: Record<string, string>) =>
    system.call(path, { method: "PATCH", key, json: { description: "Changed." }, headers });
  expect((await change({})).status).toBe(428);
  expect((await change({ "if-match": '"0"' })).status).toBe(412);
  const answers = await Promise.all([1, 2, 3].map(() => change({ "if-match": etag })));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412]);
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
