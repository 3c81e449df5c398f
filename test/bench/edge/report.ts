/** The whole result as text: every cell, and the goals beside what was reached. */
import { median } from "../support/statistics.ts";
import { textTable } from "../support/table.ts";
import type { Cell } from "./cells.ts";
import {
  BUNDLE_GOAL,
  BUNDLE_KEY,
  COMPARISONS,
  type Comparison,
  comparedRatio,
  type Figures,
  type Goal,
  isMet,
  ratiosByRound,
} from "./goals.ts";
import type { Unmeasured } from "./probe.ts";
import { cpuMicroseconds, type Measurement } from "./rounds.ts";

export interface Reported {
  readonly cells: readonly Cell[];
  readonly measurements: readonly Measurement[];
  readonly unmeasured: readonly Unmeasured[];
  readonly figures: Figures;
  readonly conditions: readonly string[];
}

/** With less of its core than this a server waited for those that measure it. */
const SATURATED_SHARE = 0.95;
const NOTHING = "–";

const written = (values: readonly number[], digits: number): string =>
  values.length === 0 ? NOTHING : median(values).toFixed(digits);

const range = (values: readonly number[]): string =>
  values.length === 0 ? NOTHING : `${Math.min(...values).toFixed(2)} – ${Math.max(...values).toFixed(2)}`;

const HEADER = [
  "",
  "CPU µs/request",
  "÷ bare",
  "lowest – highest",
  "requests/s",
  "÷ bare",
  "lowest – highest",
  "p50 ms",
  "p99 ms",
  "% of a core",
];

const cellRow = (measurements: readonly Measurement[], { id, title }: Cell): string[] => {
  const own = measurements.filter(({ cell }) => cell === id);
  const ratios = (of: Comparison["of"]) => ratiosByRound(measurements, { cell: id, base: "bare", of });
  const cpu = own.map(cpuMicroseconds).filter((value) => value !== undefined);
  const shares = own.map(({ share }) => share).filter((value) => value !== undefined);
  return [
    title,
    written(cpu, 1),
    written(ratios("cpu"), 2),
    range(ratios("cpu")),
    written(
      own.map(({ result }) => result.requestsPerSecond),
      0,
    ),
    written(ratios("throughput"), 2),
    range(ratios("throughput")),
    written(
      own.map(({ result }) => result.p50Ms),
      2,
    ),
    written(
      own.map(({ result }) => result.p99Ms),
      2,
    ),
    written(
      shares.map((share) => 100 * share),
      0,
    ),
  ];
};

const goalText = ({ atLeast, atMost }: Goal): string => {
  if (atLeast !== undefined) return `≥ ${atLeast}`;
  return atMost === undefined ? NOTHING : `≤ ${atMost}`;
};

const verdict = (figure: number | null, goal: Goal): string => {
  if (figure === null) return "not measured";
  if (goal.atLeast === undefined && goal.atMost === undefined) return "";
  return isMet(figure, goal) ? "met" : "MISSED";
};

const goalRow = (key: string, figure: number | null, ratios: readonly number[], goal: Goal): string[] => [
  key,
  figure === null ? NOTHING : String(figure),
  range(ratios),
  goalText(goal),
  verdict(figure, goal),
];

const goalTable = (measurements: readonly Measurement[], figures: Figures): string =>
  textTable(
    ["figure", "median", "lowest – highest", "goal", ""],
    [
      ...COMPARISONS.map((comparison) =>
        goalRow(
          comparison.key,
          comparedRatio(measurements, comparison),
          ratiosByRound(measurements, comparison),
          comparison,
        ),
      ),
      goalRow(BUNDLE_KEY, figures[BUNDLE_KEY] ?? null, [], BUNDLE_GOAL),
    ],
  );

/** What is to be known of the figures, where there is something. */
const notes = ({ cells, measurements, unmeasured }: Reported): string[] => {
  const idle = cells.filter(({ id }) => {
    const shares = measurements.filter(({ cell }) => cell === id).map(({ share }) => share ?? 1);
    return shares.length > 0 && median(shares) < SATURATED_SHARE;
  });
  const isCpuTold = measurements.every(({ share }) => share !== undefined);
  return [
    ...unmeasured.map(({ cell, why }) => `not measured: ${cell.title}: ${why}`),
    ...(isCpuTold ? [] : ["not measured: CPU, which is told on Linux only"]),
    ...idle.map(
      ({ title }) =>
        `${title} had less than ${100 * SATURATED_SHARE} % of a core: load, stand-in or other work held it back, and its requests/s are not all that it can do; CPU a request stands`,
    ),
  ];
};

export const reportOf = (reported: Reported): string =>
  [
    textTable(
      HEADER,
      reported.cells.map((cell) => cellRow(reported.measurements, cell)),
    ),
    goalTable(reported.measurements, reported.figures),
    notes(reported).join("\n"),
    reported.conditions.join("\n"),
  ].join("\n\n");
