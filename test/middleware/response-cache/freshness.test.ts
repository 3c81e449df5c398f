import fc from "fast-check";
import { expect, test } from "vitest";
import {
  freshnessOf,
  jittered,
  lifetimeMs,
  readCacheControl,
  secondsOf,
  sharedWindows,
  windowsOf,
} from "../../../src/middleware/response-cache/entry.ts";

const WINDOWS = windowsOf({ freshS: 5, staleWhileRevalidateS: 30, staleIfErrorS: 600 }, 300);

test.each([
  { ageMs: 0, freshness: "fresh" },
  { ageMs: 4_999, freshness: "fresh" },
  { ageMs: 5_000, freshness: "revalidate" },
  { ageMs: 34_999, freshness: "revalidate" },
  { ageMs: 35_000, freshness: "on_error" },
  { ageMs: 604_999, freshness: "on_error" },
  { ageMs: 605_000, freshness: "expired" },
])("a response of $ageMs ms is $freshness", ({ ageMs, freshness }) => {
  expect(freshnessOf(ageMs, WINDOWS)).toBe(freshness);
});

test("a policy without windows has the default freshness, and is never used stale", () => {
  expect(windowsOf({}, 300)).toEqual({ freshMs: 300_000, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 });
});

test("jitter takes up to a tenth of the freshness, and all windows end when they did", () => {
  const seconds = fc.nat(100_000);
  const random = fc.float({ min: 0, max: Math.fround(0.999), noNaN: true });
  fc.assert(
    fc.property(seconds, seconds, seconds, random, (freshS, staleWhileRevalidateS, staleIfErrorS, chance) => {
      const plain = windowsOf({ freshS, staleWhileRevalidateS, staleIfErrorS }, 0);
      const { freshMs, ...stale } = jittered(plain, chance);
      expect(freshMs).toBeLessThanOrEqual(plain.freshMs);
      expect(freshMs).toBeGreaterThanOrEqual(0.9 * plain.freshMs);
      for (const name of ["staleWhileRevalidateMs", "staleIfErrorMs"] as const) {
        const end = plain[name] === 0 ? 0 : plain.freshMs + plain[name];
        expect(stale[name] === 0 ? 0 : freshMs + stale[name]).toBeCloseTo(end, 3);
      }
      expect(lifetimeMs({ freshMs, ...stale })).toBeLessThanOrEqual(lifetimeMs(plain) + 0.001);
    }),
  );
});

test.each([
  { field: undefined, directives: [] },
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

test("only a public response with a lifetime grants windows to a shared cache", () => {
  expect(sharedWindows("public, max-age=5, stale-while-revalidate=30, stale-if-error=600")).toEqual({
    freshMs: 5_000,
    staleWhileRevalidateMs: 30_000,
    staleIfErrorMs: 600_000,
  });
  for (const field of [
    undefined,
    "",
    "max-age=5",
    "public",
    "public, max-age=5, private",
    "public, no-cache, max-age=5",
  ])
    expect(sharedWindows(field)).toBeUndefined();
});
