import { expect, test } from "vitest";
import { Baselines, follow, guess } from "../../../src/resilience/concurrency-limit/baselines.ts";

test("a baseline is the mean of what was seen first, and follows what is seen later", () => {
  const baseline = new Baselines().of("a");
  for (const latencyMs of [10, 20, 30]) follow(baseline, latencyMs);
  expect(baseline.latencyMs).toBeCloseTo(20);
  for (let n = 0; n < 500; n += 1) follow(baseline, 50);
  expect(baseline.latencyMs).toBeCloseTo(50, 1);
});

test("each kind has its own, and those beyond 256 share one: memory is bounded", () => {
  const baselines = new Baselines();
  follow(baselines.of("a"), 10);
  expect(baselines.of("b").latencyMs).toBe(0);
  for (let n = 0; n < 10_000; n += 1) baselines.of(`kind ${n}`);
  expect(baselines.size).toBe(256);
  expect(baselines.of("one more")).toBe(baselines.of("and another"));
  expect(baselines.of("a").latencyMs).toBe(10);
});

test("a kind that is first seen under overload is guessed by how much slower the others are", () => {
  const baseline = new Baselines().of("late");
  guess(baseline, 300, 3);
  expect(baseline.latencyMs).toBe(100);
  follow(baseline, 70);
  guess(baseline, 900, 3);
  expect(baseline.latencyMs).toBe(70);
});

test("a check weighs all that it finds alike, against some of what was known", () => {
  const baselines = new Baselines();
  const baseline = baselines.of("a");
  for (let n = 0; n < 100; n += 1) follow(baseline, 10);
  baselines.beginCheck(false);
  for (let n = 0; n < 16; n += 1) baselines.check(baseline, 30);
  expect(baseline.latencyMs).toBeCloseTo(20);
});

test("where they are in doubt, a few samples outweigh what was known", () => {
  const baselines = new Baselines();
  const baseline = baselines.of("a");
  for (let n = 0; n < 100; n += 1) follow(baseline, 30);
  baselines.beginCheck(true);
  for (let n = 0; n < 12; n += 1) baselines.check(baseline, 10);
  expect(baselines.conclude()).toBe("corrected");
  expect(baseline.latencyMs).toBeCloseTo(15);
});

test("that work takes longer counts when it is found twice in a row", () => {
  const baselines = new Baselines();
  const baseline = baselines.of("a");
  const findingOf = (latencyMs: number) => {
    baselines.beginCheck(true);
    for (let n = 0; n < 12; n += 1) baselines.check(baseline, latencyMs);
    return baselines.conclude();
  };
  findingOf(10);
  expect([findingOf(30), baseline.latencyMs]).toEqual(["unconfirmed", 10]);
  expect([findingOf(10), baseline.latencyMs]).toEqual(["right", 10]);
  expect([findingOf(30), baseline.latencyMs]).toEqual(["unconfirmed", 10]);
  expect(findingOf(30)).toBe("corrected");
  expect(baseline.latencyMs).toBeGreaterThan(28);
});

test("what comes in after a check was concluded changes nothing", () => {
  const baselines = new Baselines();
  const baseline = baselines.of("a");
  follow(baseline, 10);
  baselines.beginCheck(true);
  baselines.conclude();
  baselines.check(baseline, 1_000);
  expect(baseline.latencyMs).toBe(10);
});

test("a check that finds what was known, more or less, has found nothing wrong", () => {
  const baselines = new Baselines();
  const baseline = baselines.of("a");
  follow(baseline, 10);
  baselines.beginCheck(false);
  for (const latencyMs of [5, 18, 9, 12]) baselines.check(baseline, latencyMs);
  expect(baselines.conclude()).toBe("right");
});

test("a check is over after four samples that agree, or after 32 that do not", () => {
  const samplesFor = (latencyOf: (n: number) => number): number => {
    const baselines = new Baselines();
    const baseline = baselines.of("a");
    follow(baseline, 10);
    baselines.beginCheck(false);
    let n = 0;
    for (; !baselines.isChecked; n += 1) baselines.check(baseline, latencyOf(n));
    return n;
  };
  expect(samplesFor(() => 10)).toBe(4);
  expect(samplesFor((n) => (n % 4 === 0 ? 40 : 1))).toBe(32);
});
