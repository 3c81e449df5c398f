import { expect, test } from "vitest";
import { Demand } from "../../../src/middleware/rate-limit/limiter/usage-ewma.ts";

test("at a steady rate it is what is asked for within its time constant", () => {
  const demand = new Demand(1_000);
  for (let nowMs = 0; nowMs < 10_000; nowMs += 10) demand.add(1, nowMs);
  expect(demand.at(10_000)).toBeGreaterThan(95);
  expect(demand.at(10_000)).toBeLessThan(105);
  expect(demand.perMs(10_000)).toBeCloseTo(0.1, 2);
});

test("it fades to 1/e within its time constant", () => {
  const demand = new Demand(1_000);
  demand.add(10, 0);
  expect(demand.at(1_000)).toBeCloseTo(10 / Math.E, 10);
});

test("a clock that is set back changes nothing", () => {
  const demand = new Demand(1_000);
  demand.add(10, 5_000);
  expect(demand.at(0)).toBe(10);
});
