/** Which faults a run of the drills has: the arguments of its command. */
import { parseArgs } from "node:util";
import { seededRandom } from "../resilience/concurrency-limit/support/random.ts";
import { both, FAULTS, type Fault, PAIRS } from "./faults.ts";

/** In the order of a run. */
const SHORT = ["postgres-killed", "redis-killed", "origin-killed", "network-lossy", "origins-rolled"];
/** Each drill has addresses of its own. */
const MAX_DRILLS = 250;
const MAX_SEED = 2 ** 31;

const USAGE = `npm run drill -- NAME…       the faults with these names; NAME+NAME: two at once
npm run drill -- --all       all of them, one at a time
npm run drill -- --short     five of them
npm run drill -- --minutes N pairs of them, drawn by the seed, for N minutes
npm run drill -- --list      their names
  --seed N                   repeats what the clients do, what the network loses, and which pairs are drawn, as far as processes allow
  --json                     the result as JSON
The timeline is in dist/drill.svg.`;

export interface Choice {
  /** Drawn one at a time, while the time lasts. */
  readonly faults: Iterable<Fault>;
  readonly seed: number;
  readonly isList: boolean;
  readonly isJson: boolean;
}

/** @throws Error with a message for the user */
const find = (name: string): Fault => {
  const fault = FAULTS.find((each) => each.name === name);
  if (fault === undefined) throw new Error(`there is no fault ${name}: npm run drill -- --list`);
  return fault;
};

/** @throws Error with a message for the user */
const findAny = (name: string): Fault => {
  const [one = "", other, ...more] = name.split("+");
  if (other === undefined) return find(one);
  const wanted = [find(one), find(other)];
  const pair = PAIRS.find((each) => each.every((fault) => wanted.includes(fault)));
  if (pair === undefined || more.length > 0) throw new Error(`${name} cannot be there together`);
  return both(...pair);
};

/** Draws pairs until the time is over. @param nowMs a clock that never goes back */
export function* drawPairs(seed: number, forMs: number, nowMs: () => number): Generator<Fault> {
  const random = seededRandom(seed);
  const untilMs = nowMs() + forMs;
  for (let drawn = 0; drawn < MAX_DRILLS && nowMs() < untilMs; drawn += 1) {
    const pair = PAIRS[Math.floor(random() * PAIRS.length)];
    if (pair !== undefined) yield both(...pair);
  }
}

/** @throws Error with a message for the user */
const readWhole = (option: string, text: string, max: number): number => {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value <= max) return value;
  throw new Error(`--${option} ${text}: use a whole number from 1 to ${max}`);
};

/** @throws Error with a message for the user */
export const readChoice = (args: readonly string[]): Choice => {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      all: { type: "boolean", default: false },
      short: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      seed: { type: "string" },
      minutes: { type: "string" },
    },
    allowPositionals: true,
  });
  const drawn = 1 + Math.floor(Math.random() * (MAX_SEED - 1));
  const seed = values.seed === undefined ? drawn : readWhole("seed", values.seed, MAX_SEED);
  const common = { seed, isList: values.list, isJson: values.json };
  if (values.minutes !== undefined) {
    const forMs = readWhole("minutes", values.minutes, 1_440) * 60_000;
    return { ...common, faults: drawPairs(seed, forMs, () => performance.now()) };
  }
  const chosen = values.short ? SHORT : positionals;
  const faults = values.all ? FAULTS : chosen.map(findAny);
  if (faults.length === 0 && !values.list) throw new Error(USAGE);
  return { ...common, faults };
};
