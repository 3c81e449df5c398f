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
  /** The length of the load on many keys, which measures admissions, and no times. */
  readonly zipfMs: number;
  readonly hangMs: number;
}

export const FULL: Plan = {
  isQuick: false,
  turns: 3,
  warmMs: 1_000,
  othersWarmMs: 1_000,
  measureMs: 2_000,
  zipfMs: 3_000,
  hangMs: 8_000,
};

export const QUICK: Plan = {
  isQuick: true,
  turns: 1,
  warmMs: 1_000,
  othersWarmMs: 150,
  measureMs: 750,
  zipfMs: 1_100,
  hangMs: 5_150,
};

export type Group = "hot" | "over" | "zipf";

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
}

const TRIPS_MS = [5, 40, 100];
/** Between a point of presence and the nearest region. */
const TRIP_MS = 40;
const ISOLATES = 16;

const perSecond = (tokens: number): Rule => ({ tokens, windowMs: 1_000 });

const hot = (group: Group, tripMs: number, load: number, isolates = 1): LoadCell => ({
  group,
  title: isolates === 1 ? `${tripMs} ms` : `${tripMs} ms, ${isolates} isolates:`,
  rule: perSecond(500),
  load,
  tripMs,
  isolates,
});

export const loadCells = ({ isQuick, zipfMs }: Plan): LoadCell[] => [
  ...TRIPS_MS.map((tripMs) => hot("hot", tripMs, 0.8)),
  ...(isQuick ? [TRIP_MS] : TRIPS_MS).map((tripMs) => hot("over", tripMs, 2)),
  ...(isQuick ? [] : [hot("over", TRIP_MS, 2, ISOLATES)]),
  { ...hot("zipf", TRIP_MS, 0.8, ISOLATES), title: "", rule: perSecond(100), keys: 200, lengthMs: zipfMs },
];

export interface Arrival {
  readonly dueMs: number;
  readonly key: string;
  /** The index of the isolate that gets it. */
  readonly isolate: number;
}

/** A Poisson process. */
export const arrivalsOf = (cell: LoadCell, untilMs: number, random: () => number): Arrival[] => {
  const { rule, load, isolates, keys = 1 } = cell;
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
  const next = (dueMs: number): number =>
    dueMs + (exponential(random) * rule.windowMs) / (load * rule.tokens * sum);
  const arrivals: Arrival[] = [];
  for (let dueMs = next(0); dueMs < untilMs; dueMs = next(dueMs))
    arrivals.push({ dueMs, key: anyKey(), isolate: Math.floor(random() * isolates) });
  return arrivals;
};
