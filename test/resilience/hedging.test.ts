import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Retry } from "../../src/contract/policy.ts";
import {
  LatencyHistogram,
  MIN_SAMPLES,
  planHedge,
  planRetry,
  type RetryMode,
  retryModeOf,
} from "../../src/resilience/retries.ts";

const MAX_MS = 2 ** 19;
/** Upper end of a bucket divided by its lower end. */
const BUCKET_FACTOR = 2 ** (1 / 8);
const NOW_MS = 1_800_000_000_000;

const addTimes = (histogram: LatencyHistogram, latencyMs: number, times: number): LatencyHistogram => {
  for (let turn = 0; turn < times; turn += 1) histogram.add(latencyMs);
  return histogram;
};

const histogramOf = (latencyMs: number, times: number): LatencyHistogram =>
  addTimes(new LatencyHistogram(), latencyMs, times);

describe("the latency histogram", () => {
  test("has no quantiles below twenty samples", () => {
    const histogram = histogramOf(16, MIN_SAMPLES - 1);
    expect([histogram.medianMs, histogram.p95Ms]).toEqual([undefined, undefined]);
    histogram.add(16);
    expect([histogram.medianMs, histogram.p95Ms]).toEqual([16, 16]);
  });

  test("never underestimates a quantile, and overestimates it by less than a tenth, for any samples", () => {
    const latency = fc.double({ min: 1, max: MAX_MS, noNaN: true });
    const anySamples = fc.array(latency, { minLength: MIN_SAMPLES, maxLength: 340, size: "max" });
    fc.assert(
      fc.property(anySamples, (samples) => {
        const histogram = new LatencyHistogram();
        for (const each of samples) histogram.add(each);
        const sorted = Float64Array.from(samples).sort();
        const exact = (ratio: number): number => sorted[Math.ceil(ratio * sorted.length) - 1] ?? Number.NaN;
        for (const [ratio, found] of [
          [0.5, histogram.medianMs],
          [0.95, histogram.p95Ms],
        ] as const) {
          expect(found).toBeGreaterThanOrEqual(exact(ratio - 1e-9) * (1 - 1e-9));
          expect(found).toBeLessThanOrEqual(exact(ratio + 1e-9) * BUCKET_FACTOR * (1 + 1e-9));
        }
      }),
    );
  });

  test("lets old samples fade", () => {
    const histogram = histogramOf(16, 100_000);
    addTimes(histogram, 128, 1_000);
    expect(histogram.medianMs).toBe(128);
    addTimes(histogram, 16, 5_000);
    expect(histogram.p95Ms).toBe(16);
  });

  test.for([
    { slow: 2, p95Ms: 16 },
    { slow: 10, p95Ms: 1_024 },
  ])("has a 95th percentile of $p95Ms ms if $slow of 100 samples are slow", ({ slow, p95Ms }) => {
    const histogram = new LatencyHistogram();
    for (let turn = 0; turn < 50_000; turn += 1) histogram.add(turn % 100 < slow ? 1_024 : 16);
    expect(histogram.p95Ms).toBe(p95Ms);
  });

  test.for([
    { latencyMs: 0, countsAs: 1 },
    { latencyMs: 0.2, countsAs: 1 },
    { latencyMs: 10 * MAX_MS, countsAs: MAX_MS },
    { latencyMs: Number.POSITIVE_INFINITY, countsAs: MAX_MS },
  ])("counts $latencyMs ms as $countsAs", ({ latencyMs, countsAs }) => {
    expect(histogramOf(latencyMs, MIN_SAMPLES).medianMs).toBe(countsAs);
  });
});

const RETRIES: readonly (Retry | undefined)[] = [undefined, "safe", "idempotent", "with-key", "never"];

/** Safe requests are hedged unless the route forbids it. */
const SAFE: readonly RetryMode[] = ["hedge", "hedge", "hedge", "hedge", "never"];
const IDEMPOTENT: readonly RetryMode[] = ["never", "never", "retry", "never", "never"];
const WITH_KEY: readonly RetryMode[] = ["never", "never", "never", "retry", "never"];
const NEVER: readonly RetryMode[] = ["never", "never", "never", "never", "never"];

test.for([
  ["GET", SAFE, SAFE],
  ["HEAD", SAFE, SAFE],
  ["OPTIONS", SAFE, SAFE],
  ["PUT", IDEMPOTENT, IDEMPOTENT],
  ["DELETE", IDEMPOTENT, IDEMPOTENT],
  ["POST", NEVER, WITH_KEY],
  ["PATCH", NEVER, WITH_KEY],
  // Methods are case-sensitive (RFC 9110 §9.1), and unknown ones are not assumed to be idempotent.
  ["get", NEVER, WITH_KEY],
  ["PURGE", NEVER, WITH_KEY],
] as const)("the retry mode of a %s follows its route's policy as far as the method allows", ([
  method,
  ...modes
]) => {
  const modesWith = (hasKey: boolean) => RETRIES.map((retry) => retryModeOf(method, retry, hasKey));
  expect([modesWith(false), modesWith(true)]).toEqual(modes);
});

const pending = (retryMode: RetryMode, p95Ms: number | undefined, forMs = 10_000) => ({
  retryMode,
  deadlineAtMs: NOW_MS + forMs,
  latencies: p95Ms === undefined ? new LatencyHistogram() : histogramOf(p95Ms, MIN_SAMPLES),
});

describe("after the first attempt", () => {
  test("a read is hedged at the 95th percentile", () => {
    expect(planHedge(pending("hedge", 64), true, NOW_MS)).toEqual({ next: "hedge", atMs: NOW_MS + 64 });
  });

  test.each([
    ["whose route has too few samples", pending("hedge", undefined), true],
    ["without a hedge budget", pending("hedge", 64), false],
    ["that is a write", pending("retry", 64), true],
  ])("a request %s is retried instead", (_, request, mayHedge) => {
    expect(planHedge(request, mayHedge, NOW_MS)?.next).toBe("retry");
  });
});

describe("a request without a response is retried", () => {
  test.each([
    ["a read after four times the 95th percentile", "hedge", 128, 10_000, 512],
    ["a read of a fast route after 250 ms", "hedge", 2, 10_000, 250],
    ["a read of a slow route after half of its time", "hedge", 4_096, 10_000, 5_000],
    ["a read of a route with too few samples after half of its time", "hedge", undefined, 10_000, 5_000],
    ["a read with little time after half of it", "hedge", 2, 100, 50],
    ["an idempotent write after half of its time", "retry", 128, 10_000, 5_000],
  ] as const)("%s", (_, retryMode, p95Ms, forMs, afterMs) => {
    expect(planRetry(pending(retryMode, p95Ms, forMs), NOW_MS)).toEqual({
      next: "retry",
      atMs: NOW_MS + afterMs,
    });
  });

  test.each([
    ["an unrepeatable write", "never", 128],
    ["an idempotent write of a slow route, whose first attempt may still succeed", "retry", 4_096],
    ["an idempotent write of a route with too few samples", "retry", undefined],
  ] as const)("but not %s", (_, retryMode, p95Ms) => {
    expect(planRetry(pending(retryMode, p95Ms), NOW_MS)).toBeUndefined();
  });
});
