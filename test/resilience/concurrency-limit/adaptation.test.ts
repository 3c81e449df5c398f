/** Adaptation of the limit, one window at a time. */
import { expect, test } from "vitest";
import type {
  ConcurrencyLimitOptions,
  WorkOutcome,
} from "../../../src/resilience/concurrency-limit/concurrency-limit.ts";
import { type TimedLimit, timedLimit } from "./support/timed-limit.ts";

const OPTIONS: ConcurrencyLimitOptions = { initialLimit: 20 };
const USUAL_MS = 100;

/** Requests that begin together and end together. */
const batch = (timed: TimedLimit, size: number, latencyMs: number, outcome: WorkOutcome) => {
  for (let n = 0; n < size; n += 1) timed.request(`${n}`);
  timed.advance(latencyMs);
  for (const name of [...timed.permits.keys()]) timed.release(name, outcome);
};

/** A limit whose baseline is measured. */
const measured = (options: ConcurrencyLimitOptions = OPTIONS): TimedLimit => {
  const timed = timedLimit(options);
  for (let turn = 0; turn < 10; turn += 1) batch(timed, 5, USUAL_MS, "ok");
  return timed;
};

const overloaded = (timed: TimedLimit, latencyMs: number, outcome: WorkOutcome = "ok") => {
  // A request still queued at the end of a batch joins the next one.
  for (let turn = 0; turn < 4; turn += 1) batch(timed, timed.limit.limit + 1, latencyMs, outcome);
};

test("an unused limit stays the same, whatever the latency", () => {
  const timed = measured();
  for (const latencyMs of [USUAL_MS, 10 * USUAL_MS]) {
    for (let turn = 0; turn < 10; turn += 1) batch(timed, 5, latencyMs, "ok");
    expect(timed.limit.limit).toBe(20);
  }
});

test("a full limit rises while latency equals the baseline", () => {
  const timed = measured();
  overloaded(timed, USUAL_MS);
  expect(timed.limit.limit).toBeGreaterThan(20);
});

test("a full limit falls while latency exceeds the tolerance, by at most half before a probe", () => {
  const timed = measured({ ...OPTIONS, windowMs: 1 });
  batch(timed, 21, 3 * USUAL_MS, "ok");
  batch(timed, 21, 3 * USUAL_MS, "ok");
  expect(timed.limit.limit).toBeLessThan(20);
  expect(timed.limit.limit).toBeGreaterThanOrEqual(10);
});

test("missed deadlines lower the limit", () => {
  const timed = measured();
  overloaded(timed, USUAL_MS, "missed");
  expect(timed.limit.limit).toBeLessThan(20);
});

test("ignored results leave the limit unchanged, however fast they are", () => {
  const timed = measured();
  overloaded(timed, 1, "ignored");
  expect(timed.limit.limit).toBe(20);
});

test("the limit stays within its bounds", () => {
  const low = measured({ ...OPTIONS, minLimit: 15 });
  for (let turn = 0; turn < 10; turn += 1) overloaded(low, USUAL_MS, "missed");
  expect(low.limit.limit).toBeGreaterThanOrEqual(7);
  const high = measured({ ...OPTIONS, maxLimit: 30 });
  for (let turn = 0; turn < 10; turn += 1) overloaded(high, USUAL_MS);
  expect(high.limit.limit).toBeLessThanOrEqual(30);
});

test("a limit that fell because of missed deadlines rises again with good results", () => {
  const timed = measured({ ...OPTIONS, minQueue: 30 });
  for (let turn = 0; turn < 10; turn += 1) overloaded(timed, USUAL_MS, "missed");
  const lowest = timed.limit.limit;
  for (let turn = 0; turn < 30; turn += 1) overloaded(timed, USUAL_MS);
  expect(timed.limit.limit).toBeGreaterThan(2 * lowest);
});
