/**
 * `npm run bench overload`: the origin over HTTP at twice its capacity, with its adaptive limit and without. The
 * capacity is made by construction, so many slots of a fixed service time, and neither server nor load generator is
 * near its own limits.
 */
import { availableParallelism, cpus } from "node:os";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import type { Bench } from "../support/bench.ts";
import { startOpenLoad } from "../support/open-load.ts";
import { median } from "../support/statistics.ts";
import { textTable } from "../support/table.ts";
import { CAPACITY_PER_S, SERVICE_MS, SLOTS } from "./backend.ts";
import { type Contestant, DEADLINE_MS, startContestant } from "./contestant.ts";
import { FULL, LOADS, type Load, type Measurement, measure, QUICK } from "./rounds.ts";

const GOODPUT_GOAL = 0.9;
const LATENCY_GOAL = 3;

const cellOf = (measurements: readonly Measurement[], isLimited: boolean, load: Load): Measurement[] =>
  measurements.filter((each) => each.isLimited === isLimited && each.load === load);

const usefulOf = (cell: readonly Measurement[]): number =>
  median(cell.map(({ result }) => result.usefulPerSecond));

const p99Of = (cell: readonly Measurement[]): number =>
  median(cell.map(({ result }) => result.p99Ms ?? Number.POSITIVE_INFINITY));

/** The most useful answers that either server has given at about its capacity. */
const peakOf = (measurements: readonly Measurement[]): number =>
  Math.max(
    ...([0.9, 1, 1.1] as const).flatMap((load) =>
      [true, false].map((isLimited) => usefulOf(cellOf(measurements, isLimited, load))),
    ),
  );

const HEADER = [
  "× capacity",
  "useful/s",
  "÷ peak",
  "p50 ms",
  "p99 ms",
  "late",
  "503",
  "504",
  "limit",
  "CPU",
  "sent late, p99 ms",
];

const cellRow = (cell: readonly Measurement[], load: Load, peak: number): string[] => {
  const middle = (of: (each: Measurement) => number): number => median(cell.map(of));
  const share = (of: (each: Measurement) => number): string =>
    `${(100 * middle((each) => of(each) / each.result.sent)).toFixed(1)} %`;
  const limit = cell[0]?.limit;
  return [
    load.toFixed(1),
    usefulOf(cell).toFixed(0),
    (usefulOf(cell) / peak).toFixed(2),
    middle(({ result }) => result.p50Ms ?? Number.NaN).toFixed(1),
    p99Of(cell).toFixed(1),
    share(({ result }) => result.late),
    share(({ result }) => result.shed),
    share(({ result }) => result.expired),
    limit === undefined ? "–" : middle((each) => each.limit ?? 0).toFixed(0),
    `${(100 * middle(({ cpuShare }) => cpuShare)).toFixed(0)} %`,
    middle(({ result }) => result.lagP99Ms).toFixed(1),
  ];
};

const serverTable = (
  measurements: readonly Measurement[],
  { title, isLimited }: Contestant,
  peak: number,
): string =>
  textTable(
    [`${title}:`, ...HEADER],
    LOADS.map((load) => ["", ...cellRow(cellOf(measurements, isLimited, load), load, peak)]),
  );

const verdict = (isMet: boolean): string => (isMet ? "met" : "MISSED");

export const benchOverload: Bench = async ({ isQuick, signal, onProgress }) => {
  const plan = isQuick ? QUICK : FULL;
  const stops = new CleanupStack();
  try {
    onProgress("starting the origin, with its limit and without …");
    const contestants: Contestant[] = [];
    for (const isLimited of [true, false]) {
      const contestant = await startContestant(isLimited, signal);
      stops.add(() => contestant.process.stop());
      contestants.push(contestant);
    }
    const generator = startOpenLoad();
    stops.add(() => generator.close());
    const measurements = await measure({ contestants, generator, plan, signal, onProgress });

    const peak = peakOf(measurements);
    const cell = (isLimited: boolean, load: Load) => cellOf(measurements, isLimited, load);
    const figures = {
      goodput_at_2x: usefulOf(cell(true, 2)) / peak,
      accepted_p99_vs_half_load: p99Of(cell(true, 2)) / p99Of(cell(true, 0.5)),
      goodput_at_2x_without_limit: usefulOf(cell(false, 2)) / peak,
    };
    const { goodput_at_2x: goodput, accepted_p99_vs_half_load: slowdown } = figures;
    const goals = [
      ["goodput_at_2x", goodput.toFixed(3), `≥ ${GOODPUT_GOAL}`, verdict(goodput >= GOODPUT_GOAL)],
      [
        "accepted_p99_vs_half_load",
        slowdown.toFixed(2),
        `≤ ${LATENCY_GOAL}`,
        verdict(slowdown <= LATENCY_GOAL),
      ],
      ["goodput_at_2x_without_limit", figures.goodput_at_2x_without_limit.toFixed(3), "–", ""],
    ];
    const conditions = [
      `${SLOTS} slots of ${SERVICE_MS} ms, ${CAPACITY_PER_S} requests/s by construction`,
      `an answer is useful that is 200 within ${DEADLINE_MS} ms, which is the deadline that each request carries`,
      "work that has reached the backend takes its slot, though its client has gone, as a statement would",
      `Poisson arrivals, latency from when a request was due; ${plan.rounds} rounds of ${plan.measureMs} ms a cell, medians`,
      "CPU: the server's, of one core; limit: at the end of a turn",
      `where requests were sent late by more than a service, ${SERVICE_MS} ms, the machine was measured, not the server`,
      `Node ${process.version} on ${availableParallelism()} × ${cpus()[0]?.model ?? "an unknown processor"}`,
    ];
    const report = [
      ...contestants.map((contestant) => serverTable(measurements, contestant, peak)),
      textTable(["goal", "reached", "goal", ""], goals),
      conditions.join("\n"),
    ].join("\n\n");
    return { figures, report };
  } finally {
    await stops.runAll();
  }
};
