/** The measured loads and their requests. */
import { exponential } from "../../resilience/concurrency-limit/support/random.ts";
import type { Rule } from "./contestant.ts";

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
  /** Tokens requested for the most frequent key, as a multiple of the rule's rate. */
  readonly load: number;
  readonly tripMs: number;
  readonly isolates: number;
  /** Its length, all of which is measured. @default a warm-up and a measurement as planned */
  readonly lengthMs?: number;
  /** The nth key has a frequency of 1/n. @default 1 */
  readonly keys?: number;
  /** Costs are from 1 to this. @default 1 */
  readonly maxCost?: number;
  /** It begins this long before the end of a window, with bursts of all tokens before the end and after it. @default none */
  readonly beforeEdgeMs?: number;
  /** How long an isolate lives until a new one replaces it. @default for ever */
  readonly lifeMs?: number;
}

const TRIPS_MS = [5, 40, 100];
/** The default: between a point of presence and the nearest region. */
const TRIP_MS = 40;
const ISOLATES = 16;
const BEFORE_EDGE_MS = 250;

const perSecond = (tokens: number): Rule => ({ tokens, windowMs: 1_000 });
const one = { title: "", tripMs: TRIP_MS, isolates: 1 };

const hot = (group: Group, tripMs: number, load: number, isolates = 1): LoadCell => ({
  group,
  title: isolates === 1 ? `${tripMs} ms` : `${tripMs} ms, ${isolates} isolates:`,
  rule: perSecond(500),
  load,
  tripMs,
  isolates,
});

/** @param load after the bursts, by which a promise per window is tested throughout */
const edge = (windowMs: number, load: number): LoadCell => ({
  ...one,
  group: "edge",
  title: load > 0 ? "then 200 %:" : "",
  rule: { tokens: 200, windowMs },
  load,
  beforeEdgeMs: BEFORE_EDGE_MS,
  lengthMs: BEFORE_EDGE_MS + (load > 0 ? windowMs : 300),
});

export const loadCells = ({ isQuick, boundsMs: lengthMs }: Plan): LoadCell[] => [
  ...TRIPS_MS.map((tripMs) => hot("hot", tripMs, 0.8)),
  ...(isQuick ? [TRIP_MS] : TRIPS_MS).map((tripMs) => hot("over", tripMs, 2)),
  ...(isQuick ? [] : [hot("over", TRIP_MS, 2, ISOLATES)]),
  { ...one, group: "zipf", rule: perSecond(100), load: 0.8, isolates: ISOLATES, keys: 200, lengthMs },
  ...(isQuick ? [edge(1_000, 0)] : [edge(2_000, 0), edge(2_000, 2)]),
  { ...one, group: "weighted", rule: perSecond(500), load: 2, maxCost: 5, lengthMs },
  { ...one, group: "dying", rule: perSecond(200), load: 2, isolates: ISOLATES, lifeMs: 500, lengthMs },
];

export interface Arrival {
  readonly dueMs: number;
  readonly key: string;
  /** The index of the isolate that gets it. */
  readonly isolate: number;
  readonly cost: number;
}

/** Early enough before the end of a window that all are decided before it, and late enough after it for any clock. */
const burstsOf = (tokens: number, beforeEdgeMs: number): Arrival[] =>
  [beforeEdgeMs - 120, beforeEdgeMs + 5].flatMap((dueMs) =>
    Array.from({ length: tokens }, () => ({ dueMs, key: "key-0", isolate: 0, cost: 1 })),
  );

/** A Poisson process, after the bursts. */
export const arrivalsOf = (cell: LoadCell, untilMs: number, random: () => number): Arrival[] => {
  const { rule, load, isolates, keys = 1, maxCost = 1, beforeEdgeMs } = cell;
  const frequencies = Array.from({ length: keys }, (_, index) => 1 / (index + 1));
  const sum = frequencies.reduce((all, each) => all + each, 0);
  const anyKey = (): string => {
    let drawn = random() * sum;
    const key = frequencies.findIndex((frequency) => {
      drawn -= frequency;
      return drawn < 0;
    });
    return `key-${key}`;
  };
  const meanCost = (1 + maxCost) / 2;
  const meanMs = (rule.windowMs * meanCost) / (load * rule.tokens * sum);
  const arrivals = beforeEdgeMs === undefined ? [] : burstsOf(rule.tokens, beforeEdgeMs);
  const next = (dueMs: number): number => dueMs + meanMs * exponential(random);
  for (let dueMs = next(arrivals.at(-1)?.dueMs ?? 0); dueMs < untilMs; dueMs = next(dueMs))
    arrivals.push({
      dueMs,
      key: anyKey(),
      isolate: Math.floor(random() * isolates),
      cost: 1 + Math.floor(random() * maxCost),
    });
  return arrivals;
};
