/** The measured loads. */
import { type Arrival, poisson, zipf } from "./arrivals.ts";
import type { Rule } from "./contestant.ts";
import type { Moment, Stage } from "./drive.ts";

/** Times are milliseconds. */
export interface Plan {
  readonly isQuick: boolean;
  /** Turns of each contestant at a load. */
  readonly turns: number;
  /** Not measured, of Breakwater and of the others, which only open connections. */
  readonly warmMs: number;
  readonly othersWarmMs: number;
  readonly measureMs: number;
  /** The length of a load that measures what is admitted, and no times. */
  readonly boundsMs: number;
  readonly hangMs: number;
}

export const FULL: Plan = {
  isQuick: false,
  turns: 3,
  warmMs: 1_000,
  othersWarmMs: 1_000,
  measureMs: 2_000,
  boundsMs: 3_000,
  hangMs: 8_000,
};

export const QUICK: Plan = {
  isQuick: true,
  turns: 1,
  warmMs: 1_000,
  othersWarmMs: 150,
  measureMs: 750,
  boundsMs: 1_100,
  hangMs: 5_150,
};

export type Group = "hot" | "over" | "zipf" | "edge" | "weighted" | "dying";

export interface LoadCell {
  readonly group: Group;
  /** Within its group. */
  readonly title: string;
  readonly rule: Rule;
  readonly tripMs: number;
  readonly isolates: number;
  readonly beforeEdgeMs?: number;
  readonly moments?: (untilMs: number) => (stage: Stage) => readonly Moment[];
  /** Its length, all of which is measured. @default a warm-up and a measurement as planned */
  readonly lengthMs?: number;
  arrivals(untilMs: number, random: () => number): Arrival[];
}

const TRIPS_MS = [5, 40, 100] as const;
/** The default: between a point of presence and the nearest region. */
const TRIP_MS = 40;
const HOT: Rule = { tokens: 500, windowMs: 1_000 };

const perS = ({ tokens, windowMs }: Rule): number => (tokens * 1_000) / windowMs;

const ISOLATES = 16;

const oneKey = (group: Group, tripMs: number, load: number, isolates = 1): LoadCell => ({
  group,
  title: isolates === 1 ? `${tripMs} ms` : `${tripMs} ms, ${isolates} isolates:`,
  rule: HOT,
  tripMs,
  isolates,
  arrivals: (untilMs, random) => poisson({ ratePerS: load * perS(HOT), untilMs, isolates, random }),
});

const KEYS = 200;
const ZIPF: Rule = { tokens: 100, windowMs: 1_000 };

const zipfCell = (lengthMs: number): LoadCell => ({
  group: "zipf",
  title: "",
  rule: ZIPF,
  tripMs: TRIP_MS,
  isolates: ISOLATES,
  lengthMs,
  arrivals: (untilMs, random) => {
    const { hottest, keyOf } = zipf(KEYS);
    const ratePerS = (0.8 * perS(ZIPF)) / hottest;
    return poisson({ ratePerS, untilMs, isolates: ISOLATES, random, keyOf: () => keyOf(random) });
  },
});

const BEFORE_EDGE_MS = 250;
/** Early enough before the edge that all are decided before it, and late enough after it for any clock. */
const BURSTS_MS = [BEFORE_EDGE_MS - 120, BEFORE_EDGE_MS + 5] as const;

/** @param goesOn whether the load continues after the bursts, so that a promise per window is tested throughout */
const edgeCell = (windowMs: number, goesOn: boolean): LoadCell => {
  const rule = { tokens: 200, windowMs };
  const hot = { key: "hot", isolate: 0, cost: 1 };
  return {
    group: "edge",
    title: goesOn ? "then 200 %:" : "",
    rule,
    tripMs: TRIP_MS,
    isolates: 1,
    beforeEdgeMs: BEFORE_EDGE_MS,
    lengthMs: BEFORE_EDGE_MS + (goesOn ? windowMs : 300),
    arrivals: (untilMs, random) => [
      ...BURSTS_MS.flatMap((dueMs) => Array.from({ length: rule.tokens }, () => ({ dueMs, ...hot }))),
      ...(goesOn
        ? poisson({ ratePerS: 2 * perS(rule), untilMs, isolates: 1, random }).filter(
            ({ dueMs }) => dueMs > BURSTS_MS[1],
          )
        : []),
    ],
  };
};

const COSTS = 5;

const weightedCell = (lengthMs: number): LoadCell => ({
  group: "weighted",
  title: "",
  lengthMs,
  rule: HOT,
  tripMs: TRIP_MS,
  isolates: 1,
  arrivals: (untilMs, random) =>
    poisson({
      ratePerS: (2 * perS(HOT)) / ((1 + COSTS) / 2),
      untilMs,
      isolates: 1,
      random,
      costOf: () => 1 + Math.floor(random() * COSTS),
    }),
});

const DYING: Rule = { tokens: 200, windowMs: 1_000 };
const LIFE_MS = 500;

/** One isolate after another, each once within a life. */
const deaths =
  (untilMs: number) =>
  ({ replace }: Stage): Moment[] =>
    Array.from({ length: Math.floor((untilMs / LIFE_MS) * ISOLATES) }, (_, index) => ({
      atMs: ((index + 1) * LIFE_MS) / ISOLATES,
      run: () => replace(index % ISOLATES),
    }));

const dyingCell = (lengthMs: number): LoadCell => ({
  group: "dying",
  title: "",
  lengthMs,
  rule: DYING,
  tripMs: TRIP_MS,
  isolates: ISOLATES,
  moments: deaths,
  arrivals: (untilMs, random) => poisson({ ratePerS: 2 * perS(DYING), untilMs, isolates: ISOLATES, random }),
});

export const loadCells = ({ isQuick, boundsMs }: Plan): LoadCell[] => [
  ...TRIPS_MS.map((tripMs) => oneKey("hot", tripMs, 0.8)),
  ...(isQuick ? [TRIP_MS] : TRIPS_MS).map((tripMs) => oneKey("over", tripMs, 2)),
  ...(isQuick ? [] : [oneKey("over", TRIP_MS, 2, ISOLATES)]),
  zipfCell(boundsMs),
  ...(isQuick ? [edgeCell(1_000, false)] : [edgeCell(2_000, false), edgeCell(2_000, true)]),
  weightedCell(boundsMs),
  dyingCell(boundsMs),
];
