import { afterAll, beforeAll, expect, test } from "vitest";
import { Product } from "../../src/contract/api/products.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { problemOf } from "../support/problem-of.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
let key: string;

beforeAll(async () => {
  system = await startSystem({ origins: 2 });
  key = (await system.createKey("alice")).key;
});
afterAll(() => system?.stop());

test("of twenty changes at once to the same version one is made, and nineteen are told that it is gone", async () => {
  const path = `/v1/products/${sampleProductId(4)}`;
  const etag = (await system.call(path)).headers.get("etag") ?? "";
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      system.call(path, {
        method: "PATCH",
        key,
        json: { description: `Change ${n}.` },
        headers: { "if-match": etag },
      }),
    ),
  );
  const changed = answers.filter(({ status }) => status === 200);
  expect(changed).toHaveLength(1);
  const refusals = await Promise.all(answers.filter(({ status }) => status !== 200).map(problemOf));
  expect(
    refusals.filter(({ status, code }) => status === 412 && code === "precondition_failed"),
  ).toHaveLength(19);

  const told = Product.parse(await changed[0]?.json());
  const kept = await system.call(path);
  expect(Product.parse(await kept.json())).toEqual(told);
  expect(kept.headers.get("etag")).toBe(changed[0]?.headers.get("etag"));
  expect(kept.headers.get("etag")).not.toBe(etag);
});
