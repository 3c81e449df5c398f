import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PeakEwma } from "../../../src/resilience/balancer/peak-ewma.ts";

const MEMORY_MS = 10_000;
const START_MS = 1_800_000_000_000;
/** After so long nothing of what was is left. */
const AGE_MS = 100 * MEMORY_MS;
const MOST_MS = 5_000;

const observed = (...latencies: readonly number[]): PeakEwma => {
  const latency = new PeakEwma(MEMORY_MS);
  for (const each of latencies) latency.observe(each, START_MS);
  return latency;
};

describe("what is known of a latency", () => {
  test("is nothing before the first sample, and then that one", () => {
    const latency = new PeakEwma(MEMORY_MS);
    expect(latency.ms).toBeUndefined();
    latency.observe(80, START_MS);
    expect(latency.ms).toBe(80);
  });

  test.for([
    { known: 100, sample: 200, afterMs: 125, how: "a quarter of the way up" },
    { known: 100, sample: 50, afterMs: 95, how: "a tenth of the way down" },
    { known: 100, sample: 100, afterMs: 100, how: "nowhere where it is as before" },
  ])("goes $how with one sample among many", ({ known, sample, afterMs }) => {
    expect(observed(known, sample).ms).toBeCloseTo(afterMs, 9);
  });

  test.for([50, 200])("counts for 1/e after its memory, and %i takes the rest", (sample) => {
    const latency = observed(100);
    latency.observe(sample, START_MS + MEMORY_MS);
    expect(latency.ms).toBeCloseTo(sample + (100 - sample) / Math.E, 9);
  });

  test("is nearly all of the new one after ten slow answers", () => {
    expect(observed(5, ...Array.from({ length: 10 }, () => 200)).ms).toBeGreaterThan(180);
  });

  test("is not for long what a single slow answer of many was", () => {
    expect(observed(5, 200, ...Array.from({ length: 25 }, () => 5)).ms).toBeLessThan(10);
  });

  test("is replaced by what is found where it is too old", () => {
    const latency = observed(200);
    latency.reset(5, START_MS);
    expect(latency.ms).toBe(5);
  });

  test("is as with no time passed where the clock is set back, and goes on from there", () => {
    const latency = observed(100);
    latency.observe(200, START_MS - 3_600_000);
    expect(latency.ms).toBeCloseTo(125, 9);
    latency.observe(50, START_MS - 3_600_000 + MEMORY_MS);
    expect(latency.ms).toBeCloseTo(50 + 75 / Math.E, 9);
  });
});

describe("one that is outrun", () => {
  /** After each of so many in a row, of which each is all that is known. */
  const outrun = (latency: PeakEwma, elapsedMs: number, times: number): readonly (number | undefined)[] =>
    Array.from({ length: times }, (_, index) => {
      latency.hedgeLost(elapsedMs, START_MS + (index + 1) * AGE_MS, MOST_MS);
      return latency.ms;
    });

  test("counts twice as long each time in a row, and never longer than the most", () => {
    expect(outrun(new PeakEwma(MEMORY_MS), 100, 8)).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  });

  test("counts for no more than the most at its first time already", () => {
    expect(outrun(new PeakEwma(MEMORY_MS), 60_000, 1)).toEqual([5_000]);
  });

  test("counts for the most, and is a number, after a thousand times in a row", () => {
    expect(outrun(new PeakEwma(MEMORY_MS), 1, 1_000).at(-1)).toBe(4_096);
  });

  test("is not thought to be faster for it, and gets slower once it is outrun for longer", () => {
    expect(outrun(observed(350), 100, 4)).toEqual([350, 350, 400, 800]);
  });

  test("goes up with one time as with any sample", () => {
    const latency = observed(100);
    latency.hedgeLost(200, START_MS, MOST_MS);
    expect(latency.ms).toBeCloseTo(125, 9);
  });

  test.for([
    ["an answer", (latency: PeakEwma) => latency.observe(10, START_MS + 4 * AGE_MS)],
    ["a look", (latency: PeakEwma) => latency.reset(10, START_MS + 4 * AGE_MS)],
  ] as const)("begins its row anew after %s", ([, answer]) => {
    const latency = new PeakEwma(MEMORY_MS);
    outrun(latency, 100, 3);
    answer(latency);
    latency.hedgeLost(100, START_MS + 5 * AGE_MS, MOST_MS);
    expect(latency.ms).toBeCloseTo(100, 9);
  });
});

test("whatever it is told and however the clock runs, it is no less than the least and no more than the most of it", () => {
  const sample = fc.record({
    ms: fc.double({ min: 0, max: 100_000, noNaN: true }),
    byMs: fc.integer({ min: -20_000, max: 20_000 }),
  });
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 50 }), (samples) => {
      const latency = new PeakEwma(MEMORY_MS);
      let nowMs = START_MS;
      for (const { ms, byMs } of samples) {
        nowMs += byMs;
        latency.observe(ms, nowMs);
      }
      const told = samples.map(({ ms }) => ms);
      expect(latency.ms).toBeGreaterThanOrEqual(Math.min(...told) - 1e-6);
      expect(latency.ms).toBeLessThanOrEqual(Math.max(...told) + 1e-6);
    }),
  );
});
