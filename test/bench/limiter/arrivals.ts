/** Requests of a load, with their times and isolates. */
import { exponential } from "../../resilience/concurrency-limit/support/random.ts";

export interface Arrival {
  readonly dueMs: number;
  readonly key: string;
  /** The index of the isolate that gets it. */
  readonly isolate: number;
  readonly cost: number;
}

export interface Traffic {
  readonly ratePerS: number;
  readonly untilMs: number;
  readonly isolates: number;
  readonly random: () => number;
  /** @default one key */
  readonly keyOf?: () => string;
  /** @default 1 */
  readonly costOf?: () => number;
}

/** A Poisson process. */
export const poisson = ({ ratePerS, untilMs, isolates, random, ...of }: Traffic): Arrival[] => {
  const { keyOf = () => "hot", costOf = () => 1 } = of;
  const arrivals: Arrival[] = [];
  const meanMs = 1_000 / ratePerS;
  for (let dueMs = meanMs * exponential(random); dueMs < untilMs; dueMs += meanMs * exponential(random))
    arrivals.push({ dueMs, key: keyOf(), isolate: Math.floor(random() * isolates), cost: costOf() });
  return arrivals;
};

export interface Zipf {
  /** The most frequent key's share. */
  readonly hottest: number;
  readonly keyOf: (random: () => number) => string;
}

/** The nth key has a frequency of 1/n. */
export const zipf = (keys: number): Zipf => {
  const upTo: number[] = [];
  let sum = 0;
  for (let key = 1; key <= keys; key += 1) {
    sum += 1 / key;
    upTo.push(sum);
  }
  return {
    hottest: 1 / sum,
    keyOf: (random) => {
      const drawn = random() * sum;
      return `key-${upTo.findIndex((bound) => drawn < bound)}`;
    },
  };
};
