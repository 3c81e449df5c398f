/** Cells compared within a round, and goals. Other work on the machine then affects both sides. */
import { median } from "./statistics.ts";
import { textTable } from "./table.ts";

export interface Goal {
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Comparison extends Goal {
  /** The name of the figure. */
  readonly key: string;
  readonly cell: string;
  readonly base: string;
  /** `throughput` and `cpu`: the cell's over the base's; `cpuUs`: microseconds of processor time per request more. */
  readonly of: "throughput" | "cpu" | "cpuUs";
}

export interface Measurement {
  readonly round: number;
  readonly cell: string;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time per request; undefined where the system does not report it. */
  readonly cpuUs: number | undefined;
  /** The server's share of a core under load; undefined where the system does not report it. */
  readonly share: number | undefined;
}

/** By name; null if not measured. */
export type Figures = Readonly<Record<string, number | null>>;

const measuredValue = (
  { requestsPerSecond, cpuUs }: Measurement,
  of: Comparison["of"],
): number | undefined => (of === "throughput" ? requestsPerSecond : cpuUs);

/** One value per round in which both cells were measured. */
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

/** To three decimals. JSON has no infinity. */
export const rounded = (value: number): number =>
  value === Number.POSITIVE_INFINITY ? Number.MAX_SAFE_INTEGER : Math.round(value * 1_000) / 1_000;

/** The medians of the rounds. */
export const figuresOf = (
  measurements: readonly Measurement[],
  comparisons: readonly Comparison[],
): Figures =>
  Object.fromEntries(
    comparisons.map((comparison) => {
      const values = comparedByRound(measurements, comparison);
      return [comparison.key, values.length === 0 ? null : rounded(median(values))];
    }),
  );

const hasGoal = ({ atLeast, atMost }: Goal): boolean => atLeast !== undefined || atMost !== undefined;

export const goalText = ({ atLeast, atMost }: Goal): string => {
  if (atLeast !== undefined) return atLeast === atMost ? `= ${atLeast}` : `≥ ${rounded(atLeast)}`;
  return atMost === undefined ? "–" : `≤ ${rounded(atMost)}`;
};

/** `NaN` meets no goal. */
export const verdict = (figure: number | null | undefined, goal: Goal): string => {
  if (figure === null || figure === undefined) return "not measured";
  if (!hasGoal(goal)) return "";
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = goal;
  return figure >= atLeast && figure <= atMost ? "met" : "MISSED";
};

/** "lowest – highest" */
export const range = (values: readonly number[], digits = 2): string =>
  values.length === 0
    ? "–"
    : `${Math.min(...values).toFixed(digits)} – ${Math.max(...values).toFixed(digits)}`;

/**
 * One row per figure that was measured or has a goal.
 *
 * @param ranges the values behind each figure, which is their median
 */
export const goalTable = (
  figures: Figures,
  goals: Readonly<Record<string, Goal>>,
  ranges: ReadonlyMap<string, readonly number[]> = new Map(),
): string =>
  textTable(
    ["figure", "reached", "lowest – highest", "goal", ""],
    Object.entries(figures).flatMap(([key, figure]) => {
      const goal = goals[key] ?? {};
      if (figure === null && !hasGoal(goal)) return [];
      const reached = figure === null ? "–" : String(rounded(figure));
      return [[key, reached, range(ranges.get(key) ?? []), goalText(goal), verdict(figure, goal)]];
    }),
  );

/** The table of compared cells. @param others further figures with their goals */
export const comparisonTable = (
  measurements: readonly Measurement[],
  comparisons: readonly Comparison[],
  others: { readonly figures?: Figures; readonly goals?: Readonly<Record<string, Goal>> } = {},
): string => {
  const goals = Object.fromEntries(comparisons.map((comparison) => [comparison.key, comparison]));
  const ranges = comparisons.map(
    (comparison) => [comparison.key, comparedByRound(measurements, comparison)] as const,
  );
  return goalTable(
    { ...figuresOf(measurements, comparisons), ...others.figures },
    { ...goals, ...others.goals },
    new Map(ranges),
  );
};
