/** What is compared, and what is to be reached: one cell against another within a round, and the median of the rounds. */
import { median, percentile } from "../support/statistics.ts";
import type { Measurement } from "./rounds.ts";

export interface Goal {
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Comparison extends Goal {
  /** Of the figure in the JSON. */
  readonly key: string;
  readonly cell: string;
  readonly base: string;
  /** `throughput` and `cpu`: one over the other; `cpuUs`: microseconds of a processor a request more than the other. */
  readonly of: "throughput" | "cpu" | "cpuUs";
}

/** One that has no goal. */
export const over = (key: string, cell: string, base: string, of: Comparison["of"]): Comparison => ({
  key,
  cell,
  base,
  of,
});

const measuredValue = ({ result, cpuUs }: Measurement, of: Comparison["of"]): number | undefined =>
  of === "throughput" ? result.requestsPerSecond : cpuUs;

/** Of each round; none where one of the two was not measured. */
export const comparedByRound = (
  measurements: readonly Measurement[],
  { cell, base, of }: Pick<Comparison, "cell" | "base" | "of">,
): readonly number[] =>
  measurements.flatMap((measurement) => {
    if (measurement.cell !== cell) return [];
    const other = measurements.find((each) => each.cell === base && each.round === measurement.round);
    const value = measuredValue(measurement, of);
    const otherValue = other && measuredValue(other, of);
    if (value === undefined || otherValue === undefined) return [];
    return [of === "cpuUs" ? value - otherValue : value / otherValue];
  });

const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;

/** The median of the rounds; null where there is nothing to compare. */
export const comparedFigure = (
  measurements: readonly Measurement[],
  comparison: Comparison,
): number | null => {
  const values = comparedByRound(measurements, comparison);
  return values.length === 0 ? null : rounded(median(values));
};

export type Figures = Readonly<Record<string, number | null>>;

/** By key; null of what was not measured. */
export const figuresOf = (
  measurements: readonly Measurement[],
  comparisons: readonly Comparison[],
): Figures =>
  Object.fromEntries(
    comparisons.map((comparison) => [comparison.key, comparedFigure(measurements, comparison)]),
  );

export const hasGoal = ({ atLeast, atMost }: Goal): boolean => atLeast !== undefined || atMost !== undefined;

/** What has to be measured for what has a goal. */
export const goalCells = (comparisons: readonly Comparison[]): ReadonlySet<string> =>
  new Set(comparisons.filter(hasGoal).flatMap(({ cell, base }) => [cell, base]));

export const isMet = (
  figure: number,
  { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY }: Goal,
): boolean => figure >= atLeast && figure <= atMost;

/** Half of all rounds are within. */
export const middleHalf = (values: readonly number[]): readonly [number, number] => [
  percentile(values, 25),
  percentile(values, 75),
];
