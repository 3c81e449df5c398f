/** Arbitrary traffic over any number of isolates, with faults. */
import fc from "fast-check";
import { costOf, type Limit } from "../../../../src/contract/policy.ts";
import type { BucketRule } from "../../../../src/middleware/rate-limit/token-bucket.ts";
import { seededRandom } from "../../../resilience/concurrency-limit/support/random.ts";
import type { Arrival, Incident, SimulationPlan } from "../simulation/simulate.ts";
import { SETTINGS } from "./scene.ts";

const DURATION_MS = 12_000;

const anyLimit = (name: string, strict: boolean): fc.Arbitrary<Limit> =>
  fc
    .record({
      capacity: fc.integer({ min: 3, max: 200 }),
      refillPerSecond: fc.oneof(
        fc.integer({ min: 1, max: 100 }),
        fc.double({ min: 0.2, max: 50, noNaN: true }),
      ),
      cost: fc.integer({ min: 1, max: 3 }),
    })
    .map((numbers) => ({
      name,
      per: "principal" as const,
      // No request is admitted without tokens from the store.
      onStoreFailure: "closed" as const,
      strict,
      ...numbers,
    }));

const isolate = fc.nat({ max: 399 });
const atMs = fc.integer({ min: 0, max: DURATION_MS });

const anyIncident: fc.Arbitrary<Incident> = fc.oneof(
  fc.record({ kind: fc.constant("isolate_dies" as const), atMs, isolate }),
  fc.record({
    kind: fc.constant("clock_is_set" as const),
    atMs,
    isolate,
    // A clock set back by less than the time since its last reading goes unnoticed.
    byMs: fc.oneof(fc.integer({ min: 0, max: 5_000 }), fc.constant(-10 * DURATION_MS)),
  }),
);

/** Bursts, and requests at random times between them. */
const arrivalsOf = (schedule: Schedule): Arrival[] => {
  const { seed, bursts, waves, ratePerS, limit, other, leavers } = schedule;
  const random = seededRandom(seed);
  const routes = other === undefined ? [[limit]] : [[limit], [other], [limit, other], [other, limit]];
  const arrival = (at: number): Arrival => ({
    atMs: at,
    client: "alice",
    isolate: Math.floor(random() * 400),
    limits: routes[Math.floor(random() * routes.length)] ?? [limit],
    ...(random() < leavers ? { leavesAfterMs: 120 * random() } : {}),
  });
  const perCost = limit.capacity / costOf(limit);
  const waveBursts = waves.sizes.map(
    (share, turn) => [turn * waves.periodMs, Math.ceil(share * perCost)] as const,
  );
  const burst = [...bursts, ...waveBursts].flatMap(([at, size]) =>
    Array.from({ length: size }, () => arrival(at + 5 * random())),
  );
  const steady = Math.round((ratePerS * DURATION_MS) / 1_000);
  return [...burst, ...Array.from({ length: steady }, () => arrival(random() * DURATION_MS))];
};

/** With each failover the clock of the store is further behind. */
const falling = (failures: readonly (readonly [number, number])[]): Incident[] => {
  let aheadMs = 0;
  return [...failures]
    .sort(([a], [b]) => a - b)
    .map(([at, behindMs]) => {
      aheadMs -= behindMs;
      return { kind: "store_fails_over", atMs: at, aheadMs };
    });
};

const anyBursts = fc.array(fc.tuple(atMs, fc.integer({ min: 1, max: 150 })), { maxLength: 4 });

/**
 * Bursts about a lease apart, each for a part of the capacity: the tokens left by one are about to expire when the next
 * arrives, or have just expired, and the bucket is full again.
 */
const anyWaves = fc.record({
  periodMs: fc.integer({ min: SETTINGS.leaseMs * 0.7, max: SETTINGS.leaseMs * 1.4 }),
  sizes: fc.array(fc.double({ min: 0.1, max: 2, noNaN: true }), { maxLength: 5 }),
});

/** Few numbers describe a schedule, so that a failing one is readable. */
export const anySchedule = (strict: boolean) =>
  fc.record({
    seed: fc.nat(),
    isolates: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(1, 2, 3, 16) },
      { weight: 1, arbitrary: fc.constantFrom(64, 400) },
    ),
    limit: anyLimit("any", strict),
    /** May reject requests that the first one admits. */
    other: strict ? fc.constant(undefined) : fc.option(anyLimit("other", false), { nil: undefined }),
    bursts: anyBursts,
    waves: anyWaves,
    ratePerS: fc.integer({ min: 0, max: 25 }),
    tripMs: fc.integer({ min: 1, max: 160 }),
    loss: fc.constantFrom(0, 0, 0.05, 0.3),
    duplicates: fc.constantFrom(0, 0, 0.1, 0.5),
    /** Share of clients that may leave before the verdict. */
    leavers: fc.constantFrom(0, 0, 0.1, 0.5),
    hangs: fc.option(
      fc
        .tuple(atMs, fc.integer({ min: 100, max: 5_000 }))
        .map(([fromMs, lengthMs]) => ({ fromMs, untilMs: fromMs + lengthMs })),
      { nil: undefined },
    ),
    skewMs: fc.constantFrom(0, 0, 500, 100_000),
    incidents: fc.array(anyIncident, { maxLength: 6 }),
    failures: fc.array(fc.tuple(atMs, fc.integer({ min: 1, max: 4_000 })), { maxLength: 2 }),
    override: fc.option(
      fc.record({
        kind: fc.constant("limit_is_overridden" as const),
        atMs,
        capacity: fc.integer({ min: 3, max: 200 }),
        refillPerSecond: fc.integer({ min: 1, max: 100 }),
      }),
      { nil: undefined },
    ),
  });

export type Schedule = ReturnType<typeof anySchedule> extends fc.Arbitrary<infer Record> ? Record : never;

/** The most permissive rule among the limits and their override. */
export const promisedBy = ({ limit, other, override }: Schedule): BucketRule => {
  const rules = [limit, other ?? limit, override ?? limit];
  return {
    capacity: Math.max(...rules.map(({ capacity }) => capacity)),
    refillPerSecond: Math.max(...rules.map(({ refillPerSecond }) => refillPerSecond)),
  };
};

export const planOf = (schedule: Schedule): SimulationPlan => {
  const { seed, isolates, limit, other, tripMs, loss, duplicates, hangs, skewMs } = schedule;
  const random = seededRandom(seed + 1);
  const { incidents, failures, override } = schedule;
  return {
    seed,
    isolates,
    limits: other === undefined ? [limit] : [limit, other],
    arrivals: arrivalsOf(schedule),
    incidents: [...incidents, ...falling(failures), ...(override === undefined ? [] : [override])],
    skewMs,
    faults: { wayMs: () => (tripMs / 2) * (0.5 + random()), loss, duplicates, ...(hangs && { hangs }) },
    promised: promisedBy(schedule),
  };
};

/** Bursts that use a quarter of the bucket, some with a second limit that rejects nearly everything. */
export const anyPlenty: fc.Arbitrary<SimulationPlan> = fc
  .record({
    seed: fc.nat(),
    isolates: fc.constantFrom(1, 2, 4, 16),
    requests: fc.integer({ min: 1, max: 400 }),
    cost: fc.integer({ min: 1, max: 3 }),
    overMs: fc.constantFrom(1, 20, 500, 5_000),
    // Two round trips and a poll fit within the deadline and the grace: a request may wait for one in vain.
    tripMs: fc.integer({ min: 1, max: 72 }),
    leavers: fc.constantFrom(0, 0, 0.2),
    others: fc.constantFrom(0, 0, 0.3),
  })
  .map(({ seed, isolates, requests, cost, overMs, tripMs, leavers, others }) => {
    const random = seededRandom(seed);
    const limit: Limit = {
      name: "any",
      capacity: 4 * requests * cost,
      refillPerSecond: 0.1,
      cost,
      per: "principal",
      onStoreFailure: "closed",
    };
    const scarce: Limit = { ...limit, name: "scarce", capacity: 1, cost: 1 };
    const arrivals = Array.from({ length: requests }, () => ({
      atMs: random() * overMs,
      client: "alice",
      isolate: Math.floor(random() * isolates),
      limits: random() < others ? [limit, scarce] : [limit],
      ...(random() < leavers ? { leavesAfterMs: 100 * random() } : {}),
    }));
    return {
      seed,
      isolates,
      limits: [limit],
      arrivals,
      faults: { wayMs: () => (tripMs / 2) * (0.8 + 0.4 * random()) },
    };
  });
