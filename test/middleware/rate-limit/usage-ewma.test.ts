import { expect, test } from "vitest";
import { UsageEwma } from "../../../src/middleware/rate-limit/bucket-state.ts";

test("at a steady rate it equals the tokens used within its time constant", () => {
  const usage = new UsageEwma(1_000);
  for (let nowMs = 0; nowMs < 10_000; nowMs += 10) usage.add(1, nowMs);
  expect(usage.at(10_000)).toBeGreaterThan(95);
  expect(usage.at(10_000)).toBeLessThan(105);
  expect(usage.perMs(10_000)).toBeCloseTo(0.1, 2);
});

test("it decays to 1/e within its time constant", () => {
  const usage = new UsageEwma(1_000);
  usage.add(10, 0);
  expect(usage.at(1_000)).toBeCloseTo(10 / Math.E, 10);
});

test("a clock that was set back changes nothing", () => {
  const usage = new UsageEwma(1_000);
  usage.add(10, 5_000);
  expect(usage.at(0)).toBe(10);
});
