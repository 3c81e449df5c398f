import { expect, test } from "vitest";
import type { Route } from "../../../src/contract/route.ts";
import {
  readTags,
  tagsFor,
  writeTags,
  writtenTag,
} from "../../../src/middleware/response-cache/invalidations.ts";

const route = (path: Route["path"], tags: readonly string[]): Route => ({
  method: "GET",
  path,
  summary: "",
  tag: "",
  responses: {},
  policy: { auth: "public", cache: { tags } },
});

test.each([
  ["/v1/products", "/v1/products", ["products"], ["products"]],
  ["/v1/products/7", "/v1/products/:id", ["products/:id"], ["products/7"]],
  ["/v1/products/%37", "/v1/products/:id", ["products/:id"], ["products/7"]],
  ["/v1/products/AbC", "/v1/products/:id", ["products/:id"], ["products/abc"]],
  ["/v1/products/%zz", "/v1/products/:id", ["products/:id"], ["products/%zz"]],
  ["/a/1/2", "/a/:one/:two", ["x/:two", "y"], ["x/2", "y"]],
  ["/a", "/a", [], []],
] as const)("%s has, by the route %s with the tags %j, the tags %j", (path, pattern, declared, tags) => {
  expect(tagsFor(route(pattern, declared))(path)).toEqual(tags);
});

test.each([
  "7",
  "AbC",
  "a b",
  "a,b",
  "a/b",
  "ü",
  "100%",
  "\ud800",
  "x".repeat(1_000),
])("a write to the resource %j invalidates its responses, whatever the case", (name) => {
  const tag = writtenTag(`things/${name.toUpperCase()}`);
  const path = `/things/${encodeURIComponent(name.toWellFormed())}`;
  expect(tagsFor(route("/things/:name", ["things/:name"]))(path)).toEqual([tag]);
  expect(readTags(writeTags(["things", tag]))).toEqual(["things", tag]);
});

test("an empty tag is rejected", () => {
  expect(() => writtenTag("")).toThrow(TypeError);
});

test("invalid tags in a header field are ignored", () => {
  expect(readTags(" , a b,ok,OK,ü")).toEqual(["ok"]);
});
