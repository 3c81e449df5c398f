/**
 * What holds of many isolates on one store, whatever the schedule: their number, their clocks, bursts, calls that are
 * lost or made twice, isolates that die, a store that hangs or fails over, a limit that is changed.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isLong } from "../../support/runtime.ts";
import { type SimulationResult, simulate } from "./simulation/simulate.ts";
import {
  anyPlenty,
  anySchedule,
  LEASE_MS,
  planOf,
  promisedBy,
  type Schedule,
} from "./support/any-schedule.ts";

/** With TEST_LONG=1 12,000 of them in all. */
const RUNS = { numRuns: isLong ? 4_000 : 250 };
const TIMEOUT_MS = 180_000;
const DEADLINE_MS = 150;
/** Who has waited for another one's round trip in vain may take so much longer. */
const GRACE_MS = 30;
/** Between two looks a clock may be set back, each time anew, and nobody knows how long that was. */
const LOOK_MS = 4;
/** What sums of fractions may be wrong by. */
const ROUNDING = 1e-6;

const assertAlways = (strict: boolean, look: (result: SimulationResult, schedule: Schedule) => void): void =>
  fc.assert(
    fc.property(anySchedule(strict), (schedule) => look(simulate(planOf(schedule)), schedule)),
    RUNS,
  );

/** @param bound what any window may admit beyond what comes back within it */
const expectWithin = (logs: SimulationResult["logs"], bound: number): void => {
  for (const log of logs.values()) expect(log.mostAboveRefill).toBeLessThanOrEqual(bound + ROUNDING);
};

const timesSetBack = ({ incidents }: Schedule): number =>
  incidents.filter((incident) => incident.kind === "clock_is_set" && incident.byMs < 0).length;

const expectBoundedWaits = ({ waitedMs }: SimulationResult, schedule: Schedule): void => {
  const boundMs = DEADLINE_MS + GRACE_MS + LOOK_MS * timesSetBack(schedule);
  expect(Math.max(0, ...waitedMs)).toBeLessThanOrEqual(boundMs + ROUNDING);
};

test(
  "no window W admits more than capacity + refill × (W + lease), and nobody waits longer than the deadline and 30 ms",
  () => {
    assertAlways(false, (result, schedule) => {
      const { capacity, refillPerSecond } = promisedBy(schedule);
      expectWithin(result.logs, capacity + (refillPerSecond * LEASE_MS) / 1_000);
      expectBoundedWaits(result, schedule);
    });
  },
  TIMEOUT_MS,
);

test(
  "a strict limit lets the store admit in no window W more than capacity + refill × W; answers come at most a deadline later",
  () => {
    assertAlways(true, (result, schedule) => {
      const { capacity, refillPerSecond } = promisedBy(schedule);
      expectWithin(result.taken, capacity);
      expectWithin(result.logs, capacity + (refillPerSecond * DEADLINE_MS) / 1_000);
      expectBoundedWaits(result, schedule);
    });
  },
  TIMEOUT_MS,
);

test(
  "an isolate admits with nothing but tokens that it has taken, each once, within the lease, and the store gives no more than capacity + refill × W",
  () => {
    assertAlways(false, (result, schedule) => {
      expect(result.unbacked).toBe(0);
      expectWithin(result.taken, promisedBy(schedule).capacity);
    });
  },
  TIMEOUT_MS,
);

test(
  "nobody is refused while a bucket is three quarters full, whoever else comes, goes, or is refused",
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
