/**
 * `npm run bench overload`: the origin over HTTP at up to ten times its capacity, with its adaptive limit and without, and its
 * return to normal afterwards. The capacity is made by construction, a number of slots with a fixed service time; neither
 * server nor load generator is near its own limits.
 */
import type { Bench } from "../support/bench.ts";
import { goalTable, rounded } from "../support/comparison.ts";
import { startLoadGenerator } from "../support/load-generator.ts";
import { machineLine, watchIdle } from "../support/machine.ts";
import { median } from "../support/statistics.ts";
import { textTable } from "../support/table.ts";
import { CAPACITY_PER_S, SERVICE_MS, SLOTS } from "./backend.ts";
import { type Contestant, DEADLINE_MS, startContestant } from "./contestant.ts";
import { FULL_RECOVERY, QUICK_RECOVERY, recover } from "./recovery.ts";
import { FULL, LOADS, type Load, type Measurement, measure, OVERLOAD, QUICK } from "./rounds.ts";

const GOALS = {
  goodput_at_2x: { atLeast: 0.9 },
  goodput_at_10x: { atLeast: 0.9 },
  accepted_p99_vs_half_load: { atMost: 3 },
  recovery_s: { atMost: 5 },
};

const cellOf = (measurements: readonly Measurement[], isLimited: boolean, load: Load): Measurement[] =>
  measurements.filter((each) => each.isLimited === isLimited && each.load === load);

const usefulOf = (cell: readonly Measurement[]): number => median(cell.map(({ useful }) => useful));

const p99Of = (cell: readonly Measurement[]): number =>
  median(cell.map(({ p99Ms }) => p99Ms ?? Number.POSITIVE_INFINITY));

/** The most useful responses of either server at about its capacity. */
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
  const middle = (of: (measurement: Measurement) => number | undefined): number =>
    median(cell.map((each) => of(each) ?? Number.NaN));
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  return [
    load.toFixed(1),
    usefulOf(cell).toFixed(0),
    (usefulOf(cell) / peak).toFixed(2),
    middle(({ p50Ms }) => p50Ms).toFixed(1),
    p99Of(cell).toFixed(1),
    percent(middle(({ late, sent }) => late / sent)),
    percent(middle(({ shed, sent }) => shed / sent)),
    percent(middle(({ expired, sent }) => expired / sent)),
    cell[0]?.limit === undefined ? "–" : middle(({ limit }) => limit).toFixed(0),
    percent(middle(({ cpuShare }) => cpuShare)),
    middle(({ lagP99Ms }) => lagP99Ms).toFixed(1),
  ];
};

const serverTable = (
  measurements: readonly Measurement[],
  { title, isLimited }: Contestant,
  peak: number,
): string =>
  textTable(
    [`${title}:`, ...HEADER],
    LOADS.filter((load) => cellOf(measurements, isLimited, load).length > 0).map((load) => [
      "",
      ...cellRow(cellOf(measurements, isLimited, load), load, peak),
    ]),
  );

export const benchOverload: Bench = async (options) => {
  const { isQuick, onProgress } = options;
  const plan = isQuick ? QUICK : FULL;
  onProgress("starting the origin, with its limit and without …");
  const limited = await startContestant(true, options);
  const contestants = [limited, await startContestant(false, options)];
  const generator = startLoadGenerator(options);
  const idle = watchIdle();
  const measuring = { contestants, generator, plan, onProgress };
  const measurements = await measure(measuring);
  const recovery = isQuick ? QUICK_RECOVERY : FULL_RECOVERY;
  const normalP99Ms = p99Of(cellOf(measurements, true, 0.5));
  const recoveryS = await recover(limited, measuring, recovery, normalP99Ms);
  const machine = machineLine(idle());

  const peak = peakOf(measurements);
  const cell = (isLimited: boolean, load: Load) => cellOf(measurements, isLimited, load);
  const figures = {
    goodput_at_2x: rounded(usefulOf(cell(true, 2)) / peak),
    goodput_at_10x: rounded(usefulOf(cell(true, OVERLOAD)) / peak),
    accepted_p99_vs_half_load: rounded(p99Of(cell(true, 2)) / p99Of(cell(true, 0.5))),
    recovery_s: recoveryS,
    goodput_at_2x_without_limit: rounded(usefulOf(cell(false, 2)) / peak),
  };
  const conditions = [
    `${SLOTS} slots of ${SERVICE_MS} ms, ${CAPACITY_PER_S} requests/s by construction`,
    `a useful response is 200 within ${DEADLINE_MS} ms, the deadline of each request`,
    "work at the backend takes its slot even if its client has disconnected, like a statement",
    `Poisson arrivals, latency from when a request was due; ${plan.rounds} rounds of ${plan.measureMs} ms a cell, medians`,
    `recovery: seconds at half of the capacity, after ${OVERLOAD} × capacity for ${recovery.overloadMs / 1_000} s, until no response failed and p99 was at most twice the usual one; ${recovery.watchMs / 1_000} if it took longer`,
    "CPU: the server's, of one core; limit: at the end of a turn",
    `if requests were sent late by more than the service time, ${SERVICE_MS} ms, the figures are the machine's`,
    machine,
  ];
  const tables = contestants.map((contestant) => serverTable(measurements, contestant, peak));
  return { figures, report: [...tables, goalTable(figures, GOALS), conditions.join("\n")].join("\n\n") };
};
