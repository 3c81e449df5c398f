import { expect, test } from "vitest";
import { comparedByRound, figuresOf, goalTable, type Measurement, verdict } from "./comparison.ts";

const measured = (round: number, cell: string, requestsPerSecond: number, cpuUs?: number): Measurement => ({
  round,
  cell,
  requestsPerSecond,
  cpuUs,
  p50Ms: 1,
  p99Ms: 2,
  share: undefined,
});

const measurements = [
  measured(0, "ours", 300, 50),
  measured(0, "base", 100, 40),
  measured(1, "base", 400, 60),
  measured(1, "ours", 200, 90),
  // Without a counterpart.
  measured(2, "ours", 999, 10),
];
const compared = { cell: "ours", base: "base" };

test.each([
  { of: "throughput", values: [3, 0.5] },
  { of: "cpu", values: [1.25, 1.5] },
  { of: "cpuUs", values: [10, 30] },
] as const)("$of is compared within a round", ({ of, values }) => {
  expect(comparedByRound(measurements, { ...compared, of })).toEqual(values);
});

test("a figure is the median of the rounds, and null without measurements", () => {
  const comparisons = [
    { key: "ratio", ...compared, of: "throughput" },
    { key: "nothing", cell: "ours", base: "absent", of: "cpu" },
  ] as const;
  expect(figuresOf(measurements, comparisons)).toEqual({ ratio: 1.75, nothing: null });
});

test.each([
  { figure: 0.9, goal: { atLeast: 0.9 }, is: "met" },
  { figure: 0.899, goal: { atLeast: 0.9 }, is: "MISSED" },
  { figure: 1.6, goal: { atMost: 1.6 }, is: "met" },
  { figure: 1.601, goal: { atMost: 1.6 }, is: "MISSED" },
  { figure: 1, goal: { atLeast: 0, atMost: 0 }, is: "MISSED" },
  { figure: Number.NaN, goal: { atMost: 1 }, is: "MISSED" },
  { figure: null, goal: { atMost: 1 }, is: "not measured" },
  { figure: 7, goal: {}, is: "" },
])("$figure against $goal is «$is»", ({ figure, goal, is }) => {
  expect(verdict(figure, goal)).toBe(is);
});

test("the table has every figure that was measured or has a goal", () => {
  const figures = { fast: 2, slow: null, missing: null };
  const goals = { fast: { atLeast: 1.5 }, slow: { atLeast: 1, atMost: 1 } };
  const ranges = new Map([["fast", [1, 3]]]);
  expect(goalTable(figures, goals, ranges).split("\n")).toEqual([
    "figure  reached  lowest – highest   goal",
    "fast          2       1.00 – 3.00  ≥ 1.5           met",
    "slow          –                 –    = 1  not measured",
  ]);
});
