import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PeakEwma } from "../../../src/resilience/balancer/load.ts";

const DECAY_MS = 10_000;
const START_MS = 1_800_000_000_000;
/** Time after which earlier samples count for nothing. */
const AGE_MS = 100 * DECAY_MS;
const MAX_MS = 5_000;

const observed = (...latencies: readonly number[]): PeakEwma => {
  const latency = new PeakEwma();
  for (const each of latencies) latency.observe(each, START_MS);
  return latency;
};

describe("the mean", () => {
  test("is undefined before the first sample, and then equals it", () => {
    const latency = new PeakEwma();
    expect(latency.ms).toBeUndefined();
    latency.observe(80, START_MS);
    expect(latency.ms).toBe(80);
  });

  test.for([
    { before: 100, sample: 200, afterMs: 125, how: "rises a quarter of the way" },
    { before: 100, sample: 50, afterMs: 95, how: "falls a tenth of the way" },
    { before: 100, sample: 100, afterMs: 100, how: "stays" },
  ])("$how with a simultaneous sample", ({ before, sample, afterMs }) => {
    expect(observed(before, sample).ms).toBeCloseTo(afterMs, 9);
  });

  test.for([50, 200])("counts for 1/e after the decay time, and a sample of %i for the rest", (sample) => {
    const latency = observed(100);
    latency.observe(sample, START_MS + DECAY_MS);
    expect(latency.ms).toBeCloseTo(sample + (100 - sample) / Math.E, 9);
  });

  test("ignores that a clock is set back, and continues from there", () => {
    const latency = observed(100);
    latency.observe(200, START_MS - 3_600_000);
    expect(latency.ms).toBeCloseTo(125, 9);
    latency.observe(50, START_MS - 3_600_000 + DECAY_MS);
    expect(latency.ms).toBeCloseTo(50 + 75 / Math.E, 9);
  });
});

describe("a lost hedge", () => {
  /** The mean after each lost hedge in a row, without other samples. */
  const lose = (latency: PeakEwma, elapsedMs: number, times: number): readonly (number | undefined)[] =>
    Array.from({ length: times }, (_, index) => {
      latency.hedgeLost(elapsedMs, START_MS + (index + 1) * AGE_MS, MAX_MS);
      return latency.ms;
    });

  test("counts for twice as long each time in a row, up to the maximum", () => {
    expect(lose(new PeakEwma(), 100, 8)).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  });

  test("never lowers the mean, and raises it once it counts for longer", () => {
    expect(lose(observed(350), 100, 4)).toEqual([350, 350, 400, 800]);
  });

  test.for([
    ["an answer", (latency: PeakEwma) => latency.observe(10, START_MS + 4 * AGE_MS)],
    ["a reset", (latency: PeakEwma) => latency.reset(10, START_MS + 4 * AGE_MS)],
  ] as const)("starts over after %s", ([, answer]) => {
    const latency = new PeakEwma();
    lose(latency, 100, 3);
    answer(latency);
    latency.hedgeLost(100, START_MS + 5 * AGE_MS, MAX_MS);
    expect(latency.ms).toBeCloseTo(100, 9);
  });
});

test("on any clock, the mean stays between the lowest and the highest sample", () => {
  const sample = fc.record({
    ms: fc.double({ min: 0, max: 100_000, noNaN: true }),
    byMs: fc.integer({ min: -20_000, max: 20_000 }),
  });
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 50 }), (samples) => {
      const latency = new PeakEwma();
      let nowMs = START_MS;
      for (const { ms, byMs } of samples) {
        nowMs += byMs;
        latency.observe(ms, nowMs);
      }
      const values = samples.map(({ ms }) => ms);
      expect(latency.ms).toBeGreaterThanOrEqual(Math.min(...values) - 1e-6);
      expect(latency.ms).toBeLessThanOrEqual(Math.max(...values) + 1e-6);
    }),
  );
});
