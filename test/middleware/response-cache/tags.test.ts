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
  { path: "/v1/products", tags: ["products"], sent: "/v1/products", found: ["products"] },
  { path: "/v1/products/:id", tags: ["products/:id"], sent: "/v1/products/7", found: ["products/7"] },
  { path: "/v1/products/:id", tags: ["products/:id"], sent: "/v1/products/%37", found: ["products/7"] },
  { path: "/v1/products/:id", tags: ["products/:id"], sent: "/v1/products/AbC", found: ["products/abc"] },
  { path: "/v1/products/:id", tags: ["products/:id"], sent: "/v1/products/%zz", found: ["products/%zz"] },
  { path: "/a/:one/:two", tags: ["x/:two", "y"], sent: "/a/1/2", found: ["x/2", "y"] },
  { path: "/a", tags: [], sent: "/a", found: [] },
] as const)("$sent has the tags $found", ({ path, tags, sent, found }) => {
  expect(tagsFor(route(path, tags))(sent)).toEqual(found);
});

test("what a write names is the tag of what was read, whatever its case", () => {
  expect([writtenTag("products/AbC")]).toEqual(
    tagsFor(route("/v1/products/:id", ["products/:id"]))("/v1/products/ABC"),
  );
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
])("what is called %j is made old by a write that calls it so", (name) => {
  const tag = writtenTag(`things/${name}`);
  const path = `/things/${encodeURIComponent(name.toWellFormed())}`;
  expect(tagsFor(route("/things/:name", ["things/:name"]))(path)).toEqual([tag]);
  expect(readTags(writeTags(["things", tag]))).toEqual(["things", tag]);
});

test("an empty tag is a mistake", () => {
  expect(() => writtenTag("")).toThrow(TypeError);
});

test("what cannot be a tag is passed over in a header field", () => {
  expect(readTags(" , a b,ok,OK,ü")).toEqual(["ok"]);
});
