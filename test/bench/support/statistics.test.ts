import { expect, test } from "vitest";
import { median, percentile } from "./statistics.ts";

test.each([
  { values: [7], middle: 7 },
  { values: [3, 1, 2], middle: 2 },
  { values: [4, 1, 3, 2], middle: 2.5 },
  // As text, 10 would come before 9.
  { values: [10, 9, 100], middle: 10 },
])("the median of $values is $middle", ({ values, middle }) => {
  expect(median(values)).toBe(middle);
});

const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);

test.each([
  { values: hundred, percent: 50, value: 50 },
  { values: hundred, percent: 99, value: 99 },
  { values: hundred, percent: 100, value: 100 },
  { values: [5, 1], percent: 50, value: 1 },
  { values: [5, 1], percent: 99, value: 5 },
  { values: [8], percent: 1, value: 8 },
])("the $percent th percentile is $value", ({ values, percent, value }) => {
  expect(percentile(values, percent)).toBe(value);
});

test("statistics sort a copy", () => {
  const values = [3, 1, 2];
  median(values);
  percentile(values, 99);
  expect(values).toEqual([3, 1, 2]);
});

test("statistics of no values are an error", () => {
  expect(() => median([])).toThrow(RangeError);
  expect(() => percentile([], 99)).toThrow(RangeError);
});
