import { expect, test } from "vitest";
import { ProbeTimes } from "../../../src/resilience/concurrency-limit/probe-schedule.ts";

test("without a plan there is none", () => {
  expect(new ProbeTimes().nextMs).toBe(Number.POSITIVE_INFINITY);
});

test("the first one comes soon, the next ones at regular, round times", () => {
  const times = new ProbeTimes();
  times.plan(10_000, 20, "none");
  expect(times.nextMs).toBe(20 * 512);
  times.begin(times.nextMs, 20);
  times.plan(10_300, 20, "none");
  expect(times.nextMs).toBe(2 * 8_192);
});

test("processes that began at different times probe at the same times", () => {
  const nextOf = (startMs: number): number => {
    const times = new ProbeTimes();
    times.plan(startMs, 20, "none");
    times.begin(times.nextMs, 20);
    times.plan(40_000, 20, "none");
    return times.nextMs;
  };
  expect(nextOf(33_000)).toBe(nextOf(39_000));
});

test("the longer work takes, the rarer they are", () => {
  const times = new ProbeTimes();
  times.plan(0, 1_000, "none");
  times.begin(times.nextMs, 1_000);
  times.plan(3_000, 1_000, "none");
  expect(times.nextMs).toBe(131_072);
});

test("something odd brings one forward, though it passes before", () => {
  const times = new ProbeTimes();
  times.plan(0, 20, "none");
  times.begin(512, 20);
  times.plan(600, 20, "odd");
  times.plan(700, 20, "none");
  expect(times.nextMs).toBe(1_024);
  expect(times.begin(1_024, 20).isEarly).toBe(true);
});

test("what stays odd brings forward six of them, and then hardly any", () => {
  const times = new ProbeTimes();
  let nowMs = 0;
  let early = 0;
  for (let n = 0; n < 30; n += 1) {
    times.plan(nowMs, 20, "odd");
    nowMs = times.nextMs;
    if (times.begin(nowMs, 20).isEarly) early += 1;
  }
  expect(early).toBe(10);
  expect(nowMs).toBeGreaterThan(150_000);
});

test("a second look is had though no early one is left", () => {
  const times = new ProbeTimes();
  let nowMs = 0;
  for (let n = 0; n < 6; n += 1) {
    times.plan(nowMs, 20, "odd");
    nowMs = times.nextMs;
    times.begin(nowMs, 20);
  }
  times.plan(nowMs, 20, "odd");
  expect(times.nextMs).toBe(8_192);
  times.plan(nowMs, 20, "unconfirmed");
  expect(times.nextMs).toBe(nowMs + 512);
});

test("where the limit is not in use none comes", () => {
  const times = new ProbeTimes();
  times.plan(0, 20, "odd");
  times.cancel();
  expect(times.nextMs).toBe(Number.POSITIVE_INFINITY);
});
