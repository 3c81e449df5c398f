/** Requests at random times, at a steady rate. */
import { exponential, seededRandom } from "../../../resilience/concurrency-limit/support/random.ts";
import type { Arrival } from "../simulation/simulate.ts";

export interface TrafficPlan {
  readonly seed: number;
  readonly seconds: number;
  readonly isolates: number;
  /** Requests per second, over all keys and isolates. */
  readonly ratePerS: number;
  /** Number of clients, whose shares follow Zipf's law. @default 1 */
  readonly keys?: number;
}

/** Each key's share of all requests, largest first: the n-th is proportional to 1/n. */
export const zipfShares = (keys: number): readonly number[] => {
  const weights = Array.from({ length: keys }, (_, index) => 1 / (index + 1));
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => weight / sum);
};

export const traffic = ({ seed, seconds, isolates, ratePerS, keys = 1 }: TrafficPlan): Arrival[] => {
  const random = seededRandom(seed);
  const shares = zipfShares(keys);
  const drawKey = (): number => {
    let rest = random();
    for (const [key, share] of shares.entries()) {
      rest -= share;
      if (rest < 0) return key;
    }
    return 0;
  };
  const arrivals: Arrival[] = [];
  for (let atMs = 0; atMs < seconds * 1_000; atMs += (1_000 / ratePerS) * exponential(random)) {
    const key = drawKey();
    const client = `10.0.${key >> 8}.${key & 255}`;
    arrivals.push({ atMs, client, isolate: Math.floor(random() * isolates) });
  }
  return arrivals;
};
