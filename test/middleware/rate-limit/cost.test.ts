/** The cost of limiting: round trips, waits, and requests that are rejected although there are tokens. */
import { describe, expect, test } from "vitest";
import { type SimulationResult, simulate } from "./simulation/simulate.ts";
import { limitOf } from "./support/scene.ts";
import { traffic, zipfShares } from "./support/traffic.ts";

const WARM_UP_S = 3;

const sum = (result: SimulationResult, of: "admitted" | "refused" | "falselyRefused"): number =>
  [...result.logs.values()].reduce((all, log) => all + log[of], 0);

describe("one key in one isolate, at half its limit", () => {
  const cost = (ratePerS: number, tripMs: number) => {
    const arrivals = traffic({ seed: 1, seconds: Math.max(30, 600 / ratePerS), isolates: 1, ratePerS });
    const limit = limitOf({ capacity: 100 + 2 * ratePerS, refillPerSecond: 2 * ratePerS });
    const result = simulate({
      seed: 2,
      isolates: 1,
      limits: [limit],
      arrivals,
      faults: { wayMs: () => tripMs / 2 },
    });
    const warm = result.waitedMs.slice(WARM_UP_S * ratePerS);
    return {
      tripsPerRequest: result.trips / arrivals.length,
      waitingShare: warm.filter((ms) => ms > 0).length / warm.length,
      refusedShare: sum(result, "refused") / arrivals.length,
    };
  };

  // The table in docs/limits.md.
  test.each([
    [1, 0.6, 0.3],
    [5, 0.25, 0.02],
    [10, 0.16, 0.005],
    [100, 0.02, 0],
    [1_000, 0.004, 0],
  ])("at %d requests per second costs at most %d round trips per request, and at most %d of them wait", (ratePerS, trips, waiting) => {
    for (const tripMs of [5, 40, 100]) {
      const { tripsPerRequest, waitingShare, refusedShare } = cost(ratePerS, tripMs);
      expect(tripsPerRequest).toBeLessThanOrEqual(trips);
      expect(waitingShare).toBeLessThanOrEqual(waiting);
      expect(refusedShare).toBeLessThanOrEqual(0.005);
    }
  });
});

describe("sixteen isolates", () => {
  test.each([
    [50, 50],
    [50, 200],
    [10, 10],
    [10, 20],
    [2, 10],
  ])("with Zipf keys, the hottest at four fifths of a limit of %d per second and capacity %d, wrongly reject at most a twentieth", (refillPerSecond, capacity) => {
    const KEYS = 200;
    const [hottest = 1] = zipfShares(KEYS);
    const ratePerS = (0.8 * refillPerSecond) / hottest;
    const arrivals = traffic({ seed: 3, seconds: 40, isolates: 16, ratePerS, keys: KEYS });
    for (const tripMs of [5, 40, 100]) {
      const result = simulate({
        seed: 4,
        isolates: 16,
        limits: [limitOf({ capacity, refillPerSecond })],
        arrivals,
        faults: { wayMs: () => tripMs / 2 },
      });
      expect(sum(result, "falselyRefused") / arrivals.length).toBeLessThanOrEqual(0.05);
    }
  });
});

describe("a key at twice its limit", () => {
  const RATE_PER_S = 500;
  const SECONDS = 20;
  const overload = (isolates: number, tripMs: number) => {
    const arrivals = traffic({ seed: 5, seconds: SECONDS, isolates, ratePerS: 2 * RATE_PER_S });
    const limit = limitOf({ capacity: RATE_PER_S, refillPerSecond: RATE_PER_S });
    const faults = { wayMs: () => tripMs / 2 };
    const result = simulate({ seed: 6, isolates, limits: [limit], arrivals, faults });
    return { ...result, tripsPerRequest: result.trips / arrivals.length };
  };

  test.each([
    [1, 0.02],
    [4, 0.1],
    [16, 0.3],
  ])("in %d isolates gets all that the limit allows, at %d round trips per request, and no request waits for more than one", (isolates, mostTrips) => {
    for (const tripMs of [5, 40, 100]) {
      const { logs, tripsPerRequest, waitedMs, unavailable } = overload(isolates, tripMs);
      const [log] = logs.values();
      expect(log?.admitted).toBeGreaterThan(0.95 * RATE_PER_S * (SECONDS + 1));
      expect(log?.admitted).toBeLessThanOrEqual(RATE_PER_S * (SECONDS + 3));
      expect(tripsPerRequest).toBeLessThanOrEqual(mostTrips);
      const byLength = [...waitedMs].sort((a, b) => a - b);
      expect(byLength[Math.floor(0.99 * byLength.length)]).toBeLessThanOrEqual(tripMs + 8);
      expect(unavailable).toBe(0);
    }
  });
});
