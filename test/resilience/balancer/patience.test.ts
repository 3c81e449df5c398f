import { describe, expect, test } from "vitest";
import type { RetryMode } from "../../../src/resilience/hedging.ts";
import { LatencyHistogram, MIN_SAMPLES, planHedge, planRetry } from "../../../src/resilience/hedging.ts";

const NOW_MS = 1_800_000_000_000;

const waiting = (retryMode: RetryMode, p95Ms: number | undefined, forMs = 10_000) => {
  const latencies = new LatencyHistogram();
  if (p95Ms !== undefined) for (let turn = 0; turn < MIN_SAMPLES; turn += 1) latencies.add(p95Ms);
  return { retryMode, deadlineAtMs: NOW_MS + forMs, latencies };
};

describe("after the first attempt", () => {
  test("a read is hedged when nearly all would have been answered", () => {
    expect(planHedge(waiting("hedge", 64), true, NOW_MS)).toEqual({ next: "hedge", atMs: NOW_MS + 64 });
  });

  test.each([
    ["whose route is not known yet", waiting("hedge", undefined), true],
    ["where none may be hedged", waiting("hedge", 64), false],
    ["that changes something", waiting("retry", 64), true],
  ])("a request %s is not hedged", (_, asked, mayHedge) => {
    expect(planHedge(asked, mayHedge, NOW_MS)?.next).toBe("retry");
  });
});

describe("patience ends", () => {
  test.each([
    ["of a read after four times what nearly all take", "hedge", 128, 10_000, 512],
    ["of a read that is fast after a quarter of a second", "hedge", 2, 10_000, 250],
    ["of a read that is slow after half of the time", "hedge", 4_096, 10_000, 5_000],
    ["of a read of which nothing is known after half of the time", "hedge", undefined, 10_000, 5_000],
    ["of a read with little time after half of it", "hedge", 2, 100, 50],
    ["of a write that may be made again after half of the time", "retry", 128, 10_000, 5_000],
  ] as const)("%s", (_, repetition, p95Ms, forMs, afterMs) => {
    expect(planRetry(waiting(repetition, p95Ms, forMs), NOW_MS)).toEqual({
      next: "retry",
      atMs: NOW_MS + afterMs,
    });
  });

  test.each([
    ["of a write that must not be done twice", "never", 128],
    ["of a write whose route is slow: it would be given up for nothing", "retry", 4_096],
    ["of a write of whose route nothing is known", "retry", undefined],
  ] as const)("never %s", (_, repetition, p95Ms) => {
    expect(planRetry(waiting(repetition, p95Ms), NOW_MS)).toBeUndefined();
  });
});
