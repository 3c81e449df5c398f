import fc from "fast-check";
import { expect, test } from "vitest";
import {
  jittered,
  lifetimeMs,
  usabilityOf,
  windowsOf,
} from "../../../src/middleware/response-cache/freshness.ts";

const WINDOWS = windowsOf({ freshS: 5, staleWhileRevalidateS: 30, staleIfErrorS: 600 }, 300);

test.each([
  { ageMs: 0, usability: "fresh" },
  { ageMs: 4_999, usability: "fresh" },
  { ageMs: 5_000, usability: "revalidate" },
  { ageMs: 34_999, usability: "revalidate" },
  { ageMs: 35_000, usability: "on_error" },
  { ageMs: 604_999, usability: "on_error" },
  { ageMs: 605_000, usability: "gone" },
])("an answer of $ageMs ms is $usability", ({ ageMs, usability }) => {
  expect(usabilityOf(ageMs, WINDOWS)).toBe(usability);
});

test("a policy that names no freshness has the origin's, and no stale window it does not name", () => {
  expect(windowsOf({}, 300)).toEqual({ freshMs: 300_000, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 });
});

test("jitter takes up to a tenth of the freshness, and leaves the ends of all windows where they were", () => {
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
