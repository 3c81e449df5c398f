/** What is compared, and what is to be reached. */
import { median } from "../support/statistics.ts";
import type { ContestantId } from "./contestant.ts";
import type { Measurement } from "./rounds.ts";
import type { Cell } from "./workload.ts";

export interface Comparison {
  /** Of the figure in the JSON. */
  readonly key: string;
  readonly title: string;
  readonly cell: Cell;
  /** Whom Breakwater is compared with. */
  readonly base: ContestantId;
  /** The other's cell. @default the same */
  readonly baseCell?: Cell;
  /** Undefined where no goal is set. */
  readonly atLeast?: number;
}

/** `stack` is the set with OpenTelemetry. */
export const COMPARISONS: readonly Comparison[] = [
  {
    key: "select_vs_bare_hono",
    title: "SELECT ÷ bare Hono",
    cell: "select",
    base: "hono",
    atLeast: 0.9,
  },
  {
    key: "cached_vs_bare_hono",
    title: "cached ÷ bare Hono",
    cell: "cached",
    base: "hono",
    atLeast: 0.55,
  },
  {
    key: "order_vs_bare_hono",
    title: "order ÷ bare Hono",
    cell: "order",
    base: "hono",
    atLeast: 1.3,
  },
  {
    key: "order_with_key_vs_bare_hono",
    title: "order with key ÷ bare Hono's order",
    cell: "order_with_key",
    base: "hono",
    baseCell: "order",
    atLeast: 1.1,
  },
  {
    key: "select_vs_express_stack",
    title: "SELECT ÷ Express + OpenTelemetry",
    cell: "select",
    base: "express_otel",
    atLeast: 4,
  },
  {
    key: "select_vs_fastify_stack",
    title: "SELECT ÷ Fastify + OpenTelemetry",
    cell: "select",
    base: "fastify_otel",
    atLeast: 3,
  },
  {
    key: "order_vs_express_stack",
    title: "order ÷ Express + OpenTelemetry",
    cell: "order",
    base: "express_otel",
    atLeast: 2,
  },
];

export interface Side {
  readonly contestant: ContestantId;
  readonly cell: Cell;
}

/** Requests per second of one side over the other's, of each round. */
export const ratiosByRound = (
  measurements: readonly Measurement[],
  side: Side,
  base: Side,
): readonly number[] => {
  const ratesOf = ({ contestant, cell }: Side): ReadonlyMap<number, number> =>
    new Map(
      measurements
        .filter((each) => each.contestant === contestant && each.cell === cell)
        .map(({ round, result }) => [round, result.requestsPerSecond]),
    );
  const bases = ratesOf(base);
  return [...ratesOf(side)].flatMap(([round, rate]) => {
    const other = bases.get(round);
    return other === undefined ? [] : [rate / other];
  });
};

export const comparedRatios = (
  measurements: readonly Measurement[],
  { cell, base, baseCell = cell }: Comparison,
): readonly number[] =>
  ratiosByRound(measurements, { contestant: "breakwater", cell }, { contestant: base, cell: baseCell });

/** The medians, by key, to three decimals. */
export const figuresOf = (measurements: readonly Measurement[]): Record<string, number> =>
  Object.fromEntries(
    COMPARISONS.map((comparison) => [
      comparison.key,
      Math.round(median(comparedRatios(measurements, comparison)) * 1000) / 1000,
    ]),
  );
