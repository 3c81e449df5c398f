/** The compared ratios and their goals. */
import { median } from "../support/statistics.ts";
import type { CellId } from "./cells.ts";
import { cpuMicroseconds, type Measurement } from "./rounds.ts";

export interface Goal {
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Comparison extends Goal {
  /** The name of the figure in the JSON. */
  readonly key: string;
  readonly cell: CellId;
  readonly base: CellId;
  readonly of: "throughput" | "cpu";
  /** Shown in the report, but not a figure in the JSON. */
  readonly isAside?: boolean;
}

export const COMPARISONS: readonly Comparison[] = [
  { key: "chain_vs_bare", cell: "key", base: "bare", of: "throughput", atLeast: 0.6 },
  { key: "chain_cpu_vs_bare", cell: "key", base: "bare", of: "cpu", atMost: 1.6 },
  { key: "jwt_cached_cpu_vs_bare", cell: "token", base: "bare", of: "cpu", atMost: 1.6 },
  { key: "jwt_uncached_cpu_vs_bare", cell: "new_token", base: "bare", of: "cpu" },
  { key: "blocklist_100k_vs_empty", cell: "listed", base: "key", of: "throughput", atLeast: 0.95 },
  { key: "the same, CPU", cell: "listed", base: "key", of: "cpu", isAside: true },
  // Both export what they sample, so that they do the same work.
  { key: "chain_vs_stock", cell: "traced", base: "stock", of: "throughput", atLeast: 3 },
  { key: "chain_cpu_vs_stock", cell: "traced", base: "stock", of: "cpu" },
];

export const BUNDLE_KEY = "bundle_gzip_kib";
/** KiB */
export const BUNDLE_GOAL: Goal = { atMost: 128 };

export type Figures = Readonly<Record<string, number | null>>;

const measuredValue = (measurement: Measurement, of: Comparison["of"]): number | undefined =>
  of === "cpu" ? cpuMicroseconds(measurement) : measurement.result.requestsPerSecond;

/** The cell's value divided by the base's, of each round; empty if one of them was not measured. */
export const ratiosByRound = (
  measurements: readonly Measurement[],
  { cell, base, of }: Pick<Comparison, "cell" | "base" | "of">,
): readonly number[] =>
  measurements.flatMap((measurement) => {
    if (measurement.cell !== cell) return [];
    const other = measurements.find((each) => each.cell === base && each.round === measurement.round);
    const value = measuredValue(measurement, of);
    const otherValue = other && measuredValue(other, of);
    return value === undefined || otherValue === undefined ? [] : [value / otherValue];
  });

const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;

/** The median of the rounds; null if there is nothing to compare. */
export const comparedRatio = (
  measurements: readonly Measurement[],
  comparison: Comparison,
): number | null => {
  const ratios = ratiosByRound(measurements, comparison);
  return ratios.length === 0 ? null : rounded(median(ratios));
};

/** By key; null if not measured. */
export const figuresOf = (measurements: readonly Measurement[], bundleKib: number): Figures => ({
  ...Object.fromEntries(
    COMPARISONS.filter(({ isAside }) => isAside !== true).map((comparison) => [
      comparison.key,
      comparedRatio(measurements, comparison),
    ]),
  ),
  [BUNDLE_KEY]: rounded(bundleKib),
});

export const isMet = (
  figure: number,
  { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY }: Goal,
) => figure >= atLeast && figure <= atMost;
