import { expect, test } from "vitest";
import { holds, levelAt, waitMs } from "../../../src/middleware/rate-limit/token-bucket.ts";

const rule = { capacity: 10, refillPerSecond: 2 };

test("a bucket without a stored level is full", () => {
  expect(levelAt(undefined, rule, 5)).toBe(0);
});

test.each([
  ["nothing is refilled at once", 0, 6],
  ["a second's refill is back after a second", 1_000, 4],
  ["the bucket fills up, and no further", 60_000, 0],
  ["a clock that was set back refills nothing", -1_000, 6],
])("%s", (_, passedMs, level) => {
  expect(levelAt({ level: 6, atMs: 5_000 }, rule, 5_000 + passedMs)).toBe(level);
});

test("a lowered capacity caps the level", () => {
  const lowered = { capacity: 4, refillPerSecond: 2 };
  expect(levelAt({ level: 9, atMs: 0 }, lowered, 0)).toBe(4);
  expect(levelAt({ level: 9, atMs: 0 }, lowered, 1_000)).toBe(2);
});

test("the wait is as long as the refill of the missing tokens", () => {
  expect(waitMs(3, 3, rule)).toBe(0);
  expect(waitMs(2.5, 3, rule)).toBe(250);
  expect(waitMs(0, 3, rule)).toBe(1_500);
});

test("rounding errors of fractions cause no wait", () => {
  expect(holds(0.1 + 0.2 + 0.7 - 1e-12, 1)).toBe(true);
  expect(holds(0.999, 1)).toBe(false);
});
