import { expect, test } from "vitest";
import { FLAT_CONNECTIONS, isFlat, type Point, trendOf } from "./trend.ts";

/** A point every ten seconds. @param at from the minute and the number of the point */
const series = (at: (minute: number, n: number) => number, count = 120): Point[] =>
  Array.from({ length: count }, (_, n) => ({ minute: n / 6, value: at(n / 6, n) }));

/** From -1 to 1, without a trend. */
const noise = (n: number): number => Math.sin(n * 12.9898) * Math.cos(n * 78.233);

test("the slope of a line is its own, and so are the bounds", () => {
  const trend = trendOf(series((minute) => 1_000 + 3 * minute));
  expect(trend.slope).toBeCloseTo(3);
  expect(trend.low).toBeCloseTo(3);
  expect(trend.high).toBeCloseTo(3);
  expect(trend.percentPerHour).toBeCloseTo((100 * 60 * 3) / trend.first);
});

test("single outliers do not move the slope", () => {
  const trend = trendOf(series((minute, n) => 1_000 + 3 * minute + (n % 20 === 7 ? 50_000 : 0)));
  expect(trend.slope).toBeCloseTo(3, 0);
});

test("noise without a trend is flat", () => {
  const trend = trendOf(series((_, n) => 200_000 + 4_000 * noise(n)));
  expect(trend.low).toBeLessThan(0);
  expect(trend.high).toBeGreaterThan(0);
  expect(isFlat(trend)).toBe(true);
});

test("noise above a leak is not flat", () => {
  const trend = trendOf(series((minute, n) => 200_000 + 400 * minute + 2_000 * noise(n)));
  expect(trend.low).toBeGreaterThan(0);
  expect(isFlat(trend)).toBe(false);
});

test("certain growth below a hundredth in ten minutes is flat", () => {
  expect(isFlat(trendOf(series((minute) => 200_000 + 100 * minute)))).toBe(true);
  expect(isFlat(trendOf(series((minute) => 200_000 + 300 * minute)))).toBe(false);
});

test("a number of connections may grow by three in ten minutes, as a pool does, whatever the first value", () => {
  const growing = (perMinute: number) => trendOf(series((minute) => 50 + Math.round(perMinute * minute)));
  expect(isFlat(growing(0.2))).toBe(false);
  expect(isFlat(growing(0.2), FLAT_CONNECTIONS)).toBe(true);
  expect(isFlat(growing(0.5), FLAT_CONNECTIONS)).toBe(false);
});

test("a series that falls is flat, and one that stays as it is too", () => {
  expect(isFlat(trendOf(series((minute) => 5_000 - 40 * minute)))).toBe(true);
  expect(isFlat(trendOf(series(() => 12)))).toBe(true);
});

test("a few points have no trend", () => {
  expect(() => trendOf(series(() => 1, 7))).toThrow("no trend of 7 points");
});
