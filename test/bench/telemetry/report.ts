/** Tables: every cell, and the comparisons beside what is to be reached. */
import { median } from "../support/statistics.ts";
import { textTable } from "../support/table.ts";
import {
  type Comparison,
  comparedByRound,
  comparedFigure,
  type Goal,
  hasGoal,
  isMet,
  middleHalf,
} from "./comparison.ts";
import type { Cell, Measurement } from "./rounds.ts";

/** With less of its core than this a server waited for those that measure it. */
const SATURATED_SHARE = 0.95;
const NOTHING = "–";

const written = (values: readonly (number | undefined)[], digits: number): string => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? NOTHING : median(known).toFixed(digits);
};

/** What others do on the machine only ever adds to it. */
const lowest = (values: readonly (number | undefined)[]): string => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? NOTHING : Math.min(...known).toFixed(1);
};

const spread = (values: readonly number[], digits: number): string => {
  if (values.length === 0) return NOTHING;
  const [from, to] = middleHalf(values);
  return `${from.toFixed(digits)} – ${to.toFixed(digits)}`;
};

/** The quick run leaves some out. */
const measuredOf = (
  measurements: readonly Measurement[],
  cells: readonly Pick<Cell, "id" | "title">[],
): readonly Pick<Cell, "id" | "title">[] =>
  cells.filter(({ id }) => measurements.some(({ cell }) => cell === id));

/** @param base the cell that all others are compared with @param notes a last column, by cell */
export const cellTable = (
  measurements: readonly Measurement[],
  cells: readonly Pick<Cell, "id" | "title">[],
  base: string,
  notes: ReadonlyMap<string, string>,
): string =>
  textTable(
    [
      "",
      "CPU µs/request",
      "lowest",
      "more µs",
      "middle half",
      "requests/s",
      "÷ base",
      "middle half",
      "p99 ms",
      "% of a core",
      "spans taken",
    ],
    measuredOf(measurements, cells).map(({ id, title }) => {
      const own = measurements.filter(({ cell }) => cell === id);
      const more = comparedByRound(measurements, { cell: id, base, of: "cpuUs" });
      const ratios = comparedByRound(measurements, { cell: id, base, of: "throughput" });
      return [
        title,
        written(
          own.map(({ cpuUs }) => cpuUs),
          1,
        ),
        lowest(own.map(({ cpuUs }) => cpuUs)),
        written(more, 1),
        spread(more, 1),
        written(
          own.map(({ result }) => result.requestsPerSecond),
          0,
        ),
        written(ratios, 2),
        spread(ratios, 2),
        written(
          own.map(({ result }) => result.p99Ms),
          1,
        ),
        written(
          own.map(({ share }) => share && 100 * share),
          0,
        ),
        notes.get(id) ?? NOTHING,
      ];
    }),
  );

export const goalText = ({ atLeast, atMost }: Goal): string => {
  if (atLeast !== undefined) return `≥ ${atLeast}`;
  return atMost === undefined ? NOTHING : `≤ ${atMost}`;
};

export const verdict = (figure: number | null, goal: Goal): string => {
  if (figure === null) return "not measured";
  if (goal.atLeast === undefined && goal.atMost === undefined) return "";
  return isMet(figure, goal) ? "met" : "MISSED";
};

export const comparisonTable = (
  measurements: readonly Measurement[],
  comparisons: readonly Comparison[],
): string =>
  textTable(
    ["figure", "median", "middle half", "goal", ""],
    comparisons.flatMap((comparison) => {
      const figure = comparedFigure(measurements, comparison);
      if (figure === null && !hasGoal(comparison)) return [];
      return [
        [
          comparison.key,
          figure === null ? NOTHING : String(figure),
          spread(comparedByRound(measurements, comparison), 3),
          goalText(comparison),
          verdict(figure, comparison),
        ],
      ];
    }),
  );

/** Whose requests a second are not all that they can do. */
export const heldBack = (
  measurements: readonly Measurement[],
  cells: readonly Pick<Cell, "id" | "title">[],
): readonly string[] => {
  const held = cells.filter(({ id }) => {
    const shares = measurements.filter(({ cell }) => cell === id).map(({ share }) => share ?? 1);
    return shares.length > 0 && median(shares) < SATURATED_SHARE;
  });
  return held.length === 0
    ? []
    : [
        `less than ${100 * SATURATED_SHARE} % of a core, so that load or other work held them back, had: ${held.map(({ title }) => title).join("; ")}`,
      ];
};

/** How much others have disturbed it, for people. */
export const disturbance = (measurements: readonly Measurement[]): string => {
  const shares = measurements.map(({ othersShare }) => othersShare).filter((share) => share !== undefined);
  return shares.length === 0
    ? "how much of the machine others had is told on Linux only"
    : `others had ${(100 * median(shares)).toFixed(0)} % of the machine in the median turn, ${(100 * Math.max(...shares)).toFixed(0)} % at most: with more than some 10 % it is they who were measured`;
};
