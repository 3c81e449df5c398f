import { expect, test } from "vitest";
import { readCacheControl, secondsOf } from "../../../src/middleware/response-cache/cache-control.ts";

test.each([
  { field: null, directives: [] },
  { field: "no-store", directives: [["no-store", true]] },
  {
    field: "public, max-age=5, stale-while-revalidate=30, stale-if-error=600",
    directives: [
      ["public", true],
      ["max-age", 5],
      ["stale-while-revalidate", 30],
      ["stale-if-error", 600],
    ],
  },
  { field: 'Max-Age = "60"', directives: [["max-age", 60]] },
  {
    field: "max-age=1,max-age=2",
    directives: [["max-age", 1]],
  },
] as const)("$field is read", ({ field, directives }) => {
  expect([...readCacheControl(field)]).toEqual(directives);
});

test("seconds are a number or nothing", () => {
  const directives = readCacheControl("max-age, s-maxage=7");
  expect(secondsOf(directives, "max-age")).toBeUndefined();
  expect(secondsOf(directives, "s-maxage")).toBe(7);
  expect(secondsOf(directives, "stale-if-error")).toBeUndefined();
});
