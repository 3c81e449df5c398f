/** How the limit follows what it sees, one window at a time. */
import { expect, test } from "vitest";
import type { OverloadOptions } from "../../../src/resilience/concurrency-limit/options.ts";
import { type TimedLimit, timedLimit } from "./support/timed-limit.ts";

const OPTIONS: OverloadOptions = { initialLimit: 20 };
const USUAL_MS = 100;

/** So much work at once, which ends together after so long. */
const batch = (timed: TimedLimit, size: number, latencyMs: number, how: "answered" | "missed" | "ignore") => {
  for (let n = 0; n < size; n += 1) timed.ask(`${n}`);
  timed.wait(latencyMs);
  for (const name of [...timed.places.keys()]) timed.end(name, how);
};

/** Its baseline is known, and so much has been under way that somebody had to wait. */
const known = (options: OverloadOptions = OPTIONS): TimedLimit => {
  const timed = timedLimit(options);
  for (let turn = 0; turn < 10; turn += 1) batch(timed, 5, USUAL_MS, "answered");
  return timed;
};

const overloaded = (
  timed: TimedLimit,
  latencyMs: number,
  how: "answered" | "missed" | "ignore" = "answered",
) => {
  // Who waits at the end of a batch gets a place then, and is part of the next one.
  for (let turn = 0; turn < 4; turn += 1) batch(timed, timed.limit.limit + 1, latencyMs, how);
};

test("not used, it stays as it is, whatever the latency", () => {
  const timed = known();
  for (const latencyMs of [USUAL_MS, 10 * USUAL_MS]) {
    for (let turn = 0; turn < 10; turn += 1) batch(timed, 5, latencyMs, "answered");
    expect(timed.limit.limit).toBe(20);
  }
});

test("used, and work as quick as ever, it goes up", () => {
  const timed = known();
  overloaded(timed, USUAL_MS);
  expect(timed.limit.limit).toBeGreaterThan(20);
});

test("used, and work slower than is tolerated, it goes down, and by no more than half before it has checked", () => {
  const timed = known({ ...OPTIONS, windowMs: 1 });
  batch(timed, 21, 3 * USUAL_MS, "answered");
  batch(timed, 21, 3 * USUAL_MS, "answered");
  expect(timed.limit.limit).toBeLessThan(20);
  expect(timed.limit.limit).toBeGreaterThanOrEqual(10);
});

test("deadlines that are missed bring it down", () => {
  const timed = known();
  overloaded(timed, USUAL_MS, "missed");
  expect(timed.limit.limit).toBeLessThan(20);
});

test("failures that say nothing leave it where it is, however quick they are", () => {
  const timed = known();
  overloaded(timed, 1, "ignore");
  expect(timed.limit.limit).toBe(20);
});

test("it stays within its bounds", () => {
  const low = known({ ...OPTIONS, minLimit: 15 });
  for (let turn = 0; turn < 10; turn += 1) overloaded(low, USUAL_MS, "missed");
  expect(low.limit.limit).toBeGreaterThanOrEqual(7);
  const high = known({ ...OPTIONS, maxLimit: 30 });
  for (let turn = 0; turn < 10; turn += 1) overloaded(high, USUAL_MS);
  expect(high.limit.limit).toBeLessThanOrEqual(30);
});

test("one that has come down with all deadlines missed comes up again once work is answered", () => {
  const timed = known({ ...OPTIONS, minQueue: 30 });
  for (let turn = 0; turn < 10; turn += 1) overloaded(timed, USUAL_MS, "missed");
  const lowest = timed.limit.limit;
  for (let turn = 0; turn < 30; turn += 1) overloaded(timed, USUAL_MS);
  expect(timed.limit.limit).toBeGreaterThan(2 * lowest);
});
