/**
 * `npm run bench pool`: the edge in front of faulty replicas, against nginx and HAProxy at their best, over HTTP; and a
 * simulation of many isolates, each with a small part of the requests.
 */
import type { Bench } from "../support/bench.ts";
import { type Figures, type Goal, goalTable, rounded } from "../support/comparison.ts";
import { startLoadGenerator } from "../support/load-generator.ts";
import { machineLine } from "../support/machine.ts";
import { textTable } from "../support/table.ts";
import { workerdVersion } from "../support/workerd.ts";
import { createBreakwater } from "./breakwater.ts";
import {
  type IsolateCell,
  isolateTable,
  measureIsolates,
  p99Ratio,
  SIMULATION_CONDITIONS,
} from "./isolates.ts";
import { PER_SECOND } from "./load.ts";
import { PROXIES, PROXY_CONDITIONS, programVersion } from "./proxies.ts";
import { TIMEOUT_MS } from "./routes.ts";
import { FULL_PLAN, QUICK_PLAN } from "./scenarios.ts";
import { type Cell, measureCells } from "./turn.ts";
import { startUpstream } from "./upstream.ts";

const SEEDS = [1, 2, 3, 4, 5];
const QUICK_SEEDS = [1];

/** Figures from Breakwater's cell of a plan's entry, if the run has it. */
const OURS: Readonly<Record<string, readonly [entry: string, column: string]>> = {
  slow_p99_ms: ["slow", "p99 ms"],
  fast503_errors: ["fast503", "errors"],
  fast503_share_after_2s: ["fast503", "its share after 2 s"],
  hole_errors: ["hole", "errors"],
  midbody_errors: ["midbody", "errors"],
  post_duplicates: ["posts", "sent twice without a key"],
  outage_attempts_per_request: ["outage", "attempts a request"],
  outage_back_ms: ["outage", "back after ms"],
  outage_surge: ["outage", "surge ÷ normal"],
  outage503_attempts_per_request: ["outage503", "attempts a request"],
  outage503_back_ms: ["outage503", "back after ms"],
  outage503_surge: ["outage503", "surge ÷ normal"],
  recovered_share_after_15s: ["recover", "of its fair share after 15 s"],
  recovered503_share_after_15s: ["recover503", "of its fair share after 15 s"],
  recovered_slow_share_after_15s: ["recoverSlow", "of its fair share after 15 s"],
};

const none: Goal = { atLeast: 0, atMost: 0 };

/** @param bestSlowP99Ms the best proxy's p99 with a slow replica */
const goalsOf = (bestSlowP99Ms: number): Readonly<Record<string, Goal>> => ({
  slow_p99_ms: { atMost: bestSlowP99Ms / 10 },
  fast503_errors: none,
  fast503_share_after_2s: { atMost: 0.03 },
  hole_errors: none,
  midbody_errors: none,
  post_duplicates: none,
  outage_attempts_per_request: { atMost: 1.2 },
  outage_back_ms: { atMost: 5_000 },
  outage_surge: { atMost: 1.5 },
  outage503_attempts_per_request: { atMost: 1.2 },
  outage503_back_ms: { atMost: 5_000 },
  outage503_surge: { atMost: 1.5 },
  recovered_share_after_15s: { atLeast: 0.5 },
  recovered503_share_after_15s: { atLeast: 0.5 },
  recovered_slow_share_after_15s: { atLeast: 0.5 },
  isolates_400_p99_vs_1: { atMost: 1.5 },
});

const bestSlowP99Of = (cells: readonly Cell[]): number => {
  const others = cells.filter(({ entry, contestant }) => entry === "slow" && !contestant.isOurs);
  return Math.min(...others.map(({ values }) => values["p99 ms"] ?? Number.POSITIVE_INFINITY));
};

const figuresOf = (cells: readonly Cell[], isolateCells: readonly IsolateCell[]): Figures => {
  const own = cells.filter(({ contestant }) => contestant.isOurs);
  const figures: Record<string, number> = {};
  for (const [name, [entry, column]] of Object.entries(OURS)) {
    const value = own.find((each) => each.entry === entry)?.values[column];
    if (value !== undefined) figures[name] = rounded(value);
  }
  return {
    ...figures,
    best_opponent_slow_p99_ms: rounded(bestSlowP99Of(cells)),
    least_idle_percent: rounded(Math.min(...own.map(({ values }) => values["idle %"] ?? 0))),
    isolates_400_p99_vs_1: rounded(p99Ratio(isolateCells)),
  };
};

const DECIMALS: readonly (readonly [RegExp, number])[] = [
  [/^idle/, 0],
  [/%$/, 2],
  [/share/, 3],
  [/÷|a request/, 2],
  [/^p\d|p99/, 1],
];

const shown = (column: string, value = Number.NaN): string => {
  const decimals = DECIMALS.find(([pattern]) => pattern.test(column))?.[1] ?? 0;
  return Number.isFinite(value) ? value.toFixed(decimals) : "–";
};

const scenarioTable = (title: string, cells: readonly Cell[]): string => {
  const columns = Object.keys(cells[0]?.values ?? {});
  return textTable(
    [title, ...columns],
    cells.map(({ contestant, values }) => [
      contestant.name,
      ...columns.map((column) => shown(column, values[column])),
    ]),
  );
};

const CONDITIONS = [
  `${PER_SECOND} requests/s, Poisson arrivals, latency of 2xx responses from when a request was due; errors: all else`,
  "slow: counted from 1.5 s after the fault (0.9 s in a short run); hole, midbody and posts: from the fault",
  "every turn starts its contestant anew and alone, with less load at first",
  "replicas: 2 ms, and an exponential time with a mean of 2 ms; health checks meet the same faults, and are not counted",
  ...PROXY_CONDITIONS,
  `Breakwater: one isolate in workerd itself, default settings, a deadline of ${TIMEOUT_MS} ms`,
  "POSTs without a key are never repeated; those with one may be",
  SIMULATION_CONDITIONS,
  "idle: of the whole machine; with hardly any, or if requests were sent late, the figures are the machine's",
];

export const benchPool: Bench = async (options) => {
  const { isQuick, signal, onProgress } = options;
  const plan = isQuick ? QUICK_PLAN : FULL_PLAN;
  const versions = await Promise.all([programVersion("nginx"), programVersion("haproxy"), workerdVersion()]);
  const contestants = [await createBreakwater(), ...PROXIES];
  onProgress("starting the replicas …");
  const upstream = await startUpstream(options);
  const generator = startLoadGenerator(options);
  const cells = await measureCells(plan, contestants, { upstream, generator, signal }, onProgress);
  onProgress("simulating isolates …");
  const isolateCells = measureIsolates(isQuick ? QUICK_SEEDS : SEEDS);
  const figures = figuresOf(cells, isolateCells);
  return {
    figures,
    report: [
      ...Object.entries(plan).map(([entry, { scenario }]) =>
        scenarioTable(
          scenario.title,
          cells.filter((cell) => cell.entry === entry),
        ),
      ),
      isolateTable(isolateCells),
      goalTable(figures, goalsOf(bestSlowP99Of(cells))),
      [...CONDITIONS, ...versions, machineLine()].join("\n"),
    ].join("\n\n"),
  };
};
