/** The limiter itself on a simulation's clock: more isolates, and more that goes wrong, than this machine has. */
import {
  type Incident,
  type SimulationPlan,
  simulate,
} from "../../middleware/rate-limit/simulation/simulate.ts";
import { seededRandom } from "../../resilience/concurrency-limit/support/random.ts";
import { percentile } from "../support/statistics.ts";
import { exactlyAdmitted } from "./account.ts";
import { type Arrival, poisson, zipf } from "./arrivals.ts";
import { type Column, markedTable } from "./marked-table.ts";
import { limitOf, mostAboveRefill } from "./ours.ts";
import { bucketOf, type Rule } from "./rule.ts";

export interface SimulatedCell {
  readonly title: string;
  readonly isolates: number;
  readonly keys: "one" | "zipf";
  readonly load: number;
  readonly skewMs?: number;
  readonly loss?: number;
  readonly duplicates?: number;
  /** Halfway: to a store whose clock is so far ahead. */
  readonly failOverAheadMs?: number;
}

export interface SimulatedResult {
  readonly cell: SimulatedCell;
  readonly tripsPerRequest: number;
  readonly waitedP99Ms: number;
  readonly waitedShare: number;
  readonly mostAboveRefill: number;
  readonly bound: number;
  readonly falseDenials: number;
  /** What was admitted over what one bucket would have that decides all when it is due. */
  readonly vsExact: number;
  readonly unavailable: number;
  readonly requests: number;
}

const RULES: Readonly<Record<SimulatedCell["keys"], Rule>> = {
  one: { tokens: 500, windowMs: 1_000 },
  zipf: { tokens: 100, windowMs: 1_000 },
};
const KEYS = 200;
const WAY_MS = 20;
/** ± 20 %. */
const JITTER = 0.2;
const FAULTY = { isolates: 64, load: 2 } as const;

const plain: SimulatedCell[] = (["one", "zipf"] as const).flatMap((keys) =>
  [0.8, 2].flatMap((load) => [1, 16, 64, 400].map((isolates) => ({ title: "", isolates, keys, load }))),
);

const faults: readonly Pick<SimulatedCell, "title" | "skewMs" | "loss" | "duplicates" | "failOverAheadMs">[] =
  [
    { title: "clocks ± 5 s", skewMs: 5_000 },
    { title: "5 % lost", loss: 0.05 },
    { title: "10 % twice", duplicates: 0.1 },
    { title: "failover, − 5 s", failOverAheadMs: -5_000 },
  ];

export const SIMULATED: readonly SimulatedCell[] = [
  ...plain,
  ...faults.flatMap((fault) => (["one", "zipf"] as const).map((keys) => ({ ...FAULTY, ...fault, keys }))),
];

const arrivalsOf = ({ isolates, keys, load }: SimulatedCell, untilMs: number): Arrival[] => {
  const random = seededRandom(1);
  const rule = RULES[keys];
  const { hottest, keyOf } = zipf(KEYS);
  const onOneKey = load * bucketOf(rule).refillPerSecond;
  return poisson({
    ratePerS: keys === "one" ? onOneKey : onOneKey / hottest,
    untilMs,
    isolates,
    random,
    keyOf: () => (keys === "one" ? "hot" : keyOf(random)),
  });
};

const planOf = (cell: SimulatedCell, arrivals: readonly Arrival[], untilMs: number): SimulationPlan => {
  const { isolates, keys, skewMs = 0, loss = 0, duplicates = 0, failOverAheadMs } = cell;
  const random = seededRandom(2);
  const incidents: Incident[] =
    failOverAheadMs === undefined
      ? []
      : [{ kind: "store_fails_over", atMs: untilMs / 2, aheadMs: failOverAheadMs }];
  return {
    seed: 1,
    isolates,
    limits: [limitOf(RULES[keys], "closed")],
    arrivals: arrivals.map(({ dueMs, key, isolate }) => ({ atMs: dueMs, client: key, isolate })),
    incidents,
    skewMs,
    faults: { wayMs: () => WAY_MS * (1 - JITTER + 2 * JITTER * random()), loss, duplicates },
  };
};

export const measureSimulated = (cell: SimulatedCell, untilMs: number): SimulatedResult => {
  const arrivals = arrivalsOf(cell, untilMs);
  const { logs, trips, waitedMs, unavailable } = simulate(planOf(cell, arrivals, untilMs));
  const each = [...logs.values()];
  const falselyRefused = each.reduce((sum, log) => sum + log.falselyRefused, 0);
  return {
    cell,
    tripsPerRequest: trips / waitedMs.length,
    waitedP99Ms: percentile(waitedMs, 99),
    waitedShare: waitedMs.filter((ms) => ms >= WAY_MS).length / waitedMs.length,
    mostAboveRefill: Math.max(0, ...each.map((log) => log.mostAboveRefill)),
    bound: mostAboveRefill(RULES[cell.keys]),
    vsExact: each.reduce((sum, log) => sum + log.admitted, 0) / exactlyAdmitted(arrivals, RULES[cell.keys]),
    falseDenials: falselyRefused / waitedMs.length,
    unavailable,
    requests: waitedMs.length,
  };
};

const columns: readonly Column<SimulatedResult>[] = [
  { title: "trips/req", of: (row) => row.tripsPerRequest, digits: 3 },
  { title: "wait p99 ms", of: (row) => row.waitedP99Ms, digits: 0 },
  { title: "waited %", of: (row) => 100 * row.waitedShare, digits: 1 },
  { title: "burst", of: (row) => row.mostAboveRefill, digits: 0 },
  { title: "bound", of: (row) => row.bound, digits: 0 },
  { title: "÷", of: (row) => row.mostAboveRefill / row.bound },
  { title: "falsely %", of: (row) => 100 * row.falseDenials },
  { title: "÷ exact", of: (row) => row.vsExact },
  { title: "503", of: (row) => row.unavailable, digits: 0 },
];

const titleOf = ({ title, isolates, keys, load }: SimulatedCell): string =>
  `${keys === "one" ? "one key" : "Zipf"} ${100 * load} %, ${isolates}${title && `, ${title}`}`;

export const simulatedTable = (results: readonly SimulatedResult[]): string =>
  markedTable(
    "simulated: keys, load, isolates",
    columns,
    results.map((row) => ({ title: titleOf(row.cell), isOurs: true, set: "", row })),
  );
