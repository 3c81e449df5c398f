/**
 * Properties of many isolates with one store, for any schedule: any number of isolates, skewed clocks, bursts, calls lost
 * or duplicated, isolates that die, a store that hangs or fails over, a limit that is overridden.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isLong } from "../../support/runtime.ts";
import { type SimulationResult, simulate } from "./simulation/simulate.ts";
import { anyPlenty, anySchedule, planOf, promisedBy, type Schedule } from "./support/any-schedule.ts";
import { SETTINGS } from "./support/scene.ts";

/** Schedules per test. */
const RUNS = { numRuns: isLong ? 4_000 : 250 };
const TIMEOUT_MS = 180_000;
const { leaseMs, deadlineMs } = SETTINGS;
/** Extra time of a request that waited in vain for another one's round trip. */
const GRACE_MS = 30;
/** Each time the clock is set back, the time since its last reading is not counted. */
const POLL_MS = 4;
/** Poll interval of requests of a strict limit that wait for their place. */
const QUEUE_POLL_MS = 10;
/** Tolerance for sums of fractions. */
const ROUNDING = 1e-6;

const assertAlways = (
  strict: boolean,
  verify: (result: SimulationResult, schedule: Schedule) => void,
): void =>
  fc.assert(
    fc.property(anySchedule(strict), (schedule) => verify(simulate(planOf(schedule)), schedule)),
    RUNS,
  );

/** @param bound most tokens that a window may admit beyond its refill */
const expectWithin = (logs: SimulationResult["logs"], bound: number): void => {
  for (const log of logs.values()) expect(log.mostAboveRefill).toBeLessThanOrEqual(bound + ROUNDING);
};

const timesSetBack = ({ incidents }: Schedule): number =>
  incidents.filter((incident) => incident.kind === "clock_is_set" && incident.byMs < 0).length;

/** @param queuedMs longest wait before that */
const expectBoundedWaits = ({ waitedMs }: SimulationResult, schedule: Schedule, queuedMs = 0): void => {
  const boundMs = queuedMs + deadlineMs + GRACE_MS + POLL_MS * timesSetBack(schedule);
  expect(Math.max(0, ...waitedMs)).toBeLessThanOrEqual(boundMs + ROUNDING);
};

test(
  "no window W admits more than capacity + refill × (W + lease), and no request waits longer than the deadline and 30 ms",
  () => {
    assertAlways(false, (result, schedule) => {
      const { capacity, refillPerSecond } = promisedBy(schedule);
      expectWithin(result.logs, capacity + (refillPerSecond * leaseMs) / 1_000);
      expectBoundedWaits(result, schedule);
    });
  },
  TIMEOUT_MS,
);

test(
  "with a strict limit the store grants in no window W more than capacity + refill × W, and replies arrive within a deadline",
  () => {
    assertAlways(true, (result, schedule) => {
      const { capacity, refillPerSecond } = promisedBy(schedule);
      expectWithin(result.taken, capacity);
      expectWithin(result.logs, capacity + (refillPerSecond * (deadlineMs + QUEUE_POLL_MS)) / 1_000);
      expectBoundedWaits(result, schedule, deadlineMs + QUEUE_POLL_MS);
    });
  },
  TIMEOUT_MS,
);

test(
  "an isolate uses only tokens that it has taken, each once, within the lease, and the store grants at most capacity + refill × W",
  () => {
    assertAlways(false, (result, schedule) => {
      expect(result.unbacked).toBe(0);
      expectWithin(result.taken, promisedBy(schedule).capacity);
    });
  },
  TIMEOUT_MS,
);

test(
  "no request is rejected while the bucket is three quarters full, although others come, leave, or are rejected",
  () => {
    fc.assert(
      fc.property(anyPlenty, (plan) => {
        const { logs, unavailable } = simulate(plan);
        const refused = [...logs.entries()].filter(
          ([name, log]) => name.startsWith("any:") && log.refused > 0,
        );
        expect({ refused, unavailable }).toEqual({ refused: [], unavailable: 0 });
      }),
      RUNS,
    );
  },
  TIMEOUT_MS,
);
