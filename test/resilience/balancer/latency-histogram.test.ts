import fc from "fast-check";
import { expect, test } from "vitest";
import { LatencyHistogram, MIN_SAMPLES } from "../../../src/resilience/hedging.ts";

const READ_EVERY = 8;
const LONGEST_MS = 2 ** 19;
/** A bucket's upper end over its lower one. */
const STEP = 2 ** (1 / 8);

const add = (histogram: LatencyHistogram, latencyMs: number, times: number): void => {
  for (let turn = 0; turn < times; turn += 1) histogram.add(latencyMs);
};

const of = (latencyMs: number, times: number): LatencyHistogram => {
  const histogram = new LatencyHistogram();
  add(histogram, latencyMs, times);
  return histogram;
};

test("with fewer samples than twenty it says nothing", () => {
  const histogram = of(16, MIN_SAMPLES - 1);
  expect([histogram.medianMs, histogram.p95Ms]).toEqual([undefined, undefined]);
  histogram.add(16);
  expect([histogram.medianMs, histogram.p95Ms]).toEqual([16, 16]);
});

test("of any samples it knows the quantiles, not below them and within a tenth above", () => {
  const latency = fc.double({ min: 1, max: LONGEST_MS, noNaN: true });
  const anySamples = fc
    .nat(40)
    .map((times) => MIN_SAMPLES + times * READ_EVERY)
    .chain((length) => fc.array(latency, { minLength: length, maxLength: length, size: "max" }));
  fc.assert(
    fc.property(anySamples, (samples) => {
      const histogram = new LatencyHistogram();
      for (const each of samples) histogram.add(each);
      const sorted = Float64Array.from(samples).sort();
      const exact = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
      for (const [share, found] of [
        [0.5, histogram.medianMs],
        [0.95, histogram.p95Ms],
      ] as const) {
        expect(found).toBeGreaterThanOrEqual(exact(share - 1e-9) * (1 - 1e-9));
        expect(found).toBeLessThanOrEqual(exact(share + 1e-9) * STEP * (1 + 1e-9));
      }
    }),
  );
});

test("quantiles are found anew after eight samples", () => {
  const histogram = of(16, MIN_SAMPLES);
  add(histogram, 1_024, READ_EVERY - 1);
  expect(histogram.p95Ms).toBe(16);
  histogram.add(1_024);
  expect(histogram.p95Ms).toBe(1_024);
  expect(histogram.medianMs).toBe(16);
});

test("what was long ago counts for less and less", () => {
  const histogram = of(16, 100_000);
  add(histogram, 128, 1_000);
  expect(histogram.medianMs).toBe(128);
  add(histogram, 16, 5_000);
  expect(histogram.p95Ms).toBe(16);
});

test("two of a hundred slow ones are not seen by the 95th percentile, and ten are", () => {
  for (const [slow, p95Ms] of [
    [2, 16],
    [10, 1_024],
  ] as const) {
    const histogram = new LatencyHistogram();
    for (let turn = 0; turn < 50_000; turn += 1) histogram.add(turn % 100 < slow ? 1_024 : 16);
    expect(histogram.p95Ms).toBe(p95Ms);
  }
});

test.for([
  { latencyMs: 0, as: 1 },
  { latencyMs: 0.2, as: 1 },
  { latencyMs: 1, as: 1 },
  { latencyMs: LONGEST_MS, as: LONGEST_MS },
  { latencyMs: 10 * LONGEST_MS, as: LONGEST_MS },
  { latencyMs: Number.POSITIVE_INFINITY, as: LONGEST_MS },
])("$latencyMs ms count as $as", ({ latencyMs, as }) => {
  expect(of(latencyMs, MIN_SAMPLES).medianMs).toBe(as);
});
