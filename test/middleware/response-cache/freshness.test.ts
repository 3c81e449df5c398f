import { expect, test } from "vitest";
import {
  freshnessOf,
  readCacheControl,
  sharedWindows,
  windowsOf,
} from "../../../src/middleware/response-cache/entry.ts";

const WINDOWS = windowsOf({ fresh: "5s", staleWhileRevalidate: "30s", staleIfError: "600s" }, 300);

test.each([
  [0, "fresh"],
  [4_999, "fresh"],
  [5_000, "revalidate"],
  [34_999, "revalidate"],
  [35_000, "on_error"],
  [604_999, "on_error"],
  [605_000, "expired"],
])("a response of %d ms is %s", (ageMs, freshness) => {
  expect(freshnessOf(ageMs, WINDOWS)).toBe(freshness);
});

test("a policy without windows has the default freshness, and is never used stale", () => {
  expect(windowsOf({}, 300)).toEqual({ freshMs: 300_000, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 });
});

test.each([
  ["", {}],
  ["no-store", { "no-store": undefined }],
  ["public, max-age=5, stale-if-error=600", { public: undefined, "max-age": 5, "stale-if-error": 600 }],
  ['Max-Age = "60"', { "max-age": 60 }],
  ["max-age=1,max-age=2", { "max-age": 1 }],
  ["max-age", { "max-age": undefined }],
])("the Cache-Control %s has the directives %o", (field, directives) => {
  expect(Object.fromEntries(readCacheControl(field))).toStrictEqual(directives);
});

test("only a public response with a lifetime grants windows to a shared cache", () => {
  expect(sharedWindows("public, max-age=5, stale-while-revalidate=30, stale-if-error=600")).toEqual({
    freshMs: 5_000,
    staleWhileRevalidateMs: 30_000,
    staleIfErrorMs: 600_000,
  });
  const others = ["", "max-age=5", "public", "public, max-age=5, private", "public, no-cache, max-age=5"];
  for (const field of [undefined, ...others]) expect(sharedWindows(field)).toBeUndefined();
});
