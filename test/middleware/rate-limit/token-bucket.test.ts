import { expect, test } from "vitest";
import { holds, levelAt, waitMs } from "../../../src/middleware/rate-limit/token-bucket.ts";

const rule = { capacity: 10, refillPerSecond: 2 };

test("a bucket of which nothing is known is full", () => {
  expect(levelAt(undefined, rule, 5)).toBe(0);
});

test.each([
  ["at once nothing is back", 0, 6],
  ["after a second what comes back in a second", 1_000, 4],
  ["in the end all of it, and no more", 60_000, 0],
  ["by a clock that was set back nothing", -1_000, 6],
])("%s", (_, passedMs, level) => {
  expect(levelAt({ level: 6, atMs: 5_000 }, rule, 5_000 + passedMs)).toBe(level);
});

test("a capacity that was lowered is owed no more than itself", () => {
  const lowered = { capacity: 4, refillPerSecond: 2 };
  expect(levelAt({ level: 9, atMs: 0 }, lowered, 0)).toBe(4);
  expect(levelAt({ level: 9, atMs: 0 }, lowered, 1_000)).toBe(2);
});

test("it takes as long as the refill does until there are enough", () => {
  expect(waitMs(3, 3, rule)).toBe(0);
  expect(waitMs(2.5, 3, rule)).toBe(250);
  expect(waitMs(0, 3, rule)).toBe(1_500);
});

test("what sums of fractions are wrong by keeps nobody waiting", () => {
  expect(holds(0.1 + 0.2 + 0.7 - 1e-12, 1)).toBe(true);
  expect(holds(0.999, 1)).toBe(false);
});
