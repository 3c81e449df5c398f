import { expect, test } from "vitest";
import { DEFAULTS } from "../../../src/resilience/concurrency-limit/concurrency-limit.ts";
import { GradientLimit } from "../../../src/resilience/concurrency-limit/gradient.ts";

const USUAL_MS = 20;

const newGradient = (nowMs = 0) => new GradientLimit({ ...DEFAULTS, initialLimit: 20 }, nowMs);

/** A full window of results. */
const fill = (gradient: GradientLimit, nowMs: number, latencyMs: number): void => {
  const baseline = gradient.baselineOf("kind");
  gradient.markFull();
  for (let n = 0; n < 10; n += 1) gradient.ok(nowMs, latencyMs, baseline, false);
  gradient.update(nowMs);
};

/** Times at which probes begin under a constant load. */
const probeTimes = (startMs: number, untilMs: number): number[] => {
  const gradient = newGradient(startMs);
  const baseline = gradient.baselineOf("kind");
  const times: number[] = [];
  let isProbing = false;
  for (let nowMs = startMs; nowMs < untilMs; nowMs += 8) {
    const before = gradient.limit;
    gradient.ok(nowMs, 1.4 * USUAL_MS, baseline, false);
    if (isProbing) gradient.ok(nowMs, USUAL_MS, baseline, true);
    gradient.markFull();
    gradient.update(nowMs);
    const wasProbing = isProbing;
    isProbing = gradient.permits <= before / 2 + 1;
    if (isProbing && !wasProbing) times.push(nowMs);
  }
  return times;
};

test("each kind has its own baseline, and kinds beyond 256 share one", () => {
  const gradient = newGradient();
  gradient.ok(0, 10, gradient.baselineOf("first"), true);
  for (let n = 0; n < 10_000; n += 1) gradient.baselineOf(`kind ${n}`);
  expect(gradient.baselineOf("one more")).toBe(gradient.baselineOf("another"));
  expect(gradient.baselineOf("first").latencyMs).toBe(10);
});

test("a kind first seen under overload starts as slowed down as the others", () => {
  const gradient = newGradient();
  // Before the window: a sample, but not a result.
  gradient.ok(-1, USUAL_MS, gradient.baselineOf("kind"), true);
  fill(gradient, 100, 3 * USUAL_MS);
  const late = gradient.baselineOf("late");
  gradient.ok(200, 300, late, false);
  expect(late.latencyMs).toBeCloseTo(100);
});

test("processes that start at different times probe at the same times", () => {
  const [one, other] = [probeTimes(64_000, 200_000), probeTimes(69_000, 200_000)];
  expect(one.length).toBeGreaterThan(8);
  expect(one.slice(-5)).toEqual(other.slice(-5));
});

test("a full limit is probed every two seconds, at round times", () => {
  const times = probeTimes(0, 20_000);
  expect(times).toEqual(Array.from({ length: 9 }, (_, index) => 2_048 * (index + 1)));
});
