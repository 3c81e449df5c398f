import { expect, test } from "vitest";
import { type Added, addedBy, addedText, medianWithInterval } from "./added.ts";

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

test.each([
  { values: [7], interval: { us: 7, lowest: 7, highest: 7 } },
  { values: [3, 1, 2], interval: { us: 2, lowest: 1, highest: 3 } },
  { values: upTo(9), interval: { us: 5, lowest: 1, highest: 9 } },
  { values: upTo(25).reverse(), interval: { us: 13, lowest: 7, highest: 19 } },
])("the median of $values lies in its interval", ({ values, interval }) => {
  expect(medianWithInterval(values)).toEqual(interval);
});

test("of 25 rounds, an interval holds the true median with 95 % or more", () => {
  // The true median is outside if fewer than 7 or more than 18 of 25 values are below it.
  const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k);
  const outside = upTo(7).reduce((sum, k) => sum + choose(25, k - 1), 0) / 2 ** 25;
  expect(1 - 2 * outside).toBeGreaterThan(0.95);
});

test("a cell adds what it takes more than its base in the same round", () => {
  const samples = [
    { round: 0, cell: "base", us: 100 },
    { round: 0, cell: "guard", us: 103 },
    { round: 1, cell: "guard", us: 305 },
    { round: 1, cell: "base", us: 300 },
    { round: 2, cell: "guard", us: 1 },
  ];
  expect(addedBy(samples, { cell: "guard", base: "base" })).toEqual({ us: 4, lowest: 3, highest: 5 });
  expect(addedBy(samples, { cell: "guard", base: "none" })).toBeUndefined();
});

test.each<[Added | undefined, string]>([
  [undefined, "–"],
  [{ us: 12.4, lowest: 10.2, highest: 14.6 }, "12 (10 – 15)"],
  [{ us: 2.34, lowest: 2.01, highest: 2.66 }, "2.3 (2.0 – 2.7)"],
  [{ us: -4, lowest: -6, highest: -2 }, "-4 (-6 – -2)"],
  [{ us: 1, lowest: -1, highest: 2.2 }, "< 3"],
  [{ us: 0.1, lowest: -0.2, highest: 0.31 }, "< 0.4"],
  [{ us: -2, lowest: -5, highest: 0 }, "< 1"],
])("%o is printed as %s", (added, text) => {
  expect(addedText(added)).toBe(text);
});
