import { expect, test } from "vitest";
import * as z from "zod/mini";
import { getProduct, listProducts } from "#api/contract/products.ts";

const { params } = getProduct.request;
const { query } = listProducts.request;

test.each([
  "item",
  "item!",
  " item., ",
  "ITEM",
  "item item",
  "\u2014item\u2026",
])("a search for %s asks for one word", (q) => {
  expect(z.parse(query, { q })).toEqual({ q: "item", limit: 20 });
});

test.each([
  ["the order of words", "brass a lantern", "lantern a brass"],
  ["combining marks", "cafe\u0301", "caf\u00e9"],
  ["characters beyond the twentieth", "a".repeat(21), "a".repeat(30)],
])("a search does not depend on %s", (_, one, other) => {
  expect(z.parse(query, { q: one })).toEqual(z.parse(query, { q: other }));
});

test("a search without a word stays one", () => {
  expect(z.parse(query, { q: "!?" })).toEqual({ q: "", limit: 20 });
});

test("a UUID reaches the handler in lower case", () => {
  const id = "01900000-0000-7000-8000-00000000000a";
  expect(z.parse(params, { id: id.toUpperCase() })).toEqual({ id });
});
