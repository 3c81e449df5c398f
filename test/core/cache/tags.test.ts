import { expect, test } from "vitest";
import type { Route } from "../../../src/contract/route.ts";
import { readTags, tagsFor, writeTags, writtenTag } from "../../../src/core/cache/tags.ts";

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

test.each(["", "a,b", "a b", "ä", "x".repeat(201), "a\nb"])("%j is no tag", (tag) => {
  expect(() => writtenTag(tag)).toThrow(TypeError);
});

test("tags survive their header field, and what cannot be a tag does not", () => {
  expect(readTags(writeTags(["products", "products/7"]))).toEqual(["products", "products/7"]);
  expect(readTags(" , a b,ok,")).toEqual(["ok"]);
});
