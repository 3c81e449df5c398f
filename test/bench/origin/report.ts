/** The whole result as text: every cell, and the goals beside what was reached. */
import { median } from "../support/statistics.ts";
import { textTable } from "../support/table.ts";
import type { Contestant } from "./contestant.ts";
import { COMPARISONS, comparedRatios, ratiosByRound } from "./goals.ts";
import type { Measurement } from "./rounds.ts";
import { CELLS, type Cell } from "./workload.ts";

/** What a cell is called, and which of bare Hono's cells its ratio is to. */
const CELL_TITLES: Readonly<Record<Cell, { readonly title: string; readonly base: Cell }>> = {
  select: { title: "one indexed SELECT (GET /v1/products/:id)", base: "select" },
  cached: {
    title: "cached (GET /cached/:id from a Map; Breakwater: GET /v1/products/:id by its policy)",
    base: "cached",
  },
  order: { title: "order of two lines (POST /v1/orders)", base: "order" },
  order_with_key: { title: "order with Idempotency-Key, each its own", base: "order" },
};

const HEADER = ["", "requests/s", "÷ bare Hono", "lowest – highest", "p50 ms", "p99 ms"];

const ratioText = (ratio: number): string => ratio.toFixed(2);
const rangeText = (ratios: readonly number[]): string =>
  `${ratioText(Math.min(...ratios))} – ${ratioText(Math.max(...ratios))}`;

const cellTable = (
  measurements: readonly Measurement[],
  contestants: readonly Contestant[],
  cell: Cell,
): string => {
  const { title, base } = CELL_TITLES[cell];
  const rows = contestants.flatMap((contestant) => {
    const own = measurements.filter((each) => each.contestant === contestant.id && each.cell === cell);
    if (own.length === 0) return [];
    const results = own.map(({ result }) => result);
    const ratios = ratiosByRound(
      measurements,
      { contestant: contestant.id, cell },
      { contestant: "hono", cell: base },
    );
    return [
      [
        contestant.title,
        median(results.map((each) => each.requestsPerSecond)).toFixed(0),
        ratioText(median(ratios)),
        rangeText(ratios),
        median(results.map((each) => each.p50Ms)).toFixed(2),
        median(results.map((each) => each.p99Ms)).toFixed(2),
      ],
    ];
  });
  return textTable([title, ...HEADER.slice(1)], rows);
};

const goalTable = (measurements: readonly Measurement[]): string =>
  textTable(
    ["Breakwater ÷ another", "median", "lowest – highest", "goal", ""],
    COMPARISONS.map((comparison) => {
      const ratios = comparedRatios(measurements, comparison);
      const { title, atLeast } = comparison;
      const ratio = median(ratios);
      const goal =
        atLeast === undefined ? ["–", ""] : [`≥ ${ratioText(atLeast)}`, ratio >= atLeast ? "met" : "missed"];
      return [title, ratioText(ratio), rangeText(ratios), ...goal];
    }),
  );

export const reportOf = (
  measurements: readonly Measurement[],
  contestants: readonly Contestant[],
  conditions: readonly string[],
): string =>
  [
    ...CELLS.map((cell) => cellTable(measurements, contestants, cell)),
    goalTable(measurements),
    conditions.join("\n"),
  ].join("\n\n");
