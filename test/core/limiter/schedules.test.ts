/**
 * What holds of many isolates on one store, whatever the schedule: their number, their clocks, bursts, calls that are
 * lost or made twice, isolates that die, a store that hangs or fails over, a limit that is changed.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isWorkerd } from "../../support/runtime.ts";
import { type SimulationResult, simulate } from "./simulation/simulate.ts";
import { anySchedule, LEASE_MS, planOf, promisedBy, type Schedule } from "./support/any-schedule.ts";

/** On Node 10,000 of them in all. */
const RUNS = { numRuns: isWorkerd ? 200 : 5_000 };
const TIMEOUT_MS = 180_000;
const DEADLINE_MS = 150;
/** What sums of fractions may be wrong by. */
const ROUNDING = 1e-6;

const assertAlways = (strict: boolean, look: (result: SimulationResult, schedule: Schedule) => void): void =>
  fc.assert(
    fc.property(anySchedule(strict), (schedule) => look(simulate(planOf(schedule)), schedule)),
    RUNS,
  );

/** @returns how much of the bound was used: what the windows admitted beyond what came back within them */
const expectWithin = (logs: SimulationResult["logs"], bound: number): number => {
  const most = Math.max(0, ...[...logs.values()].map((log) => log.mostAboveRefill));
  expect(most).toBeLessThanOrEqual(bound + ROUNDING);
  return most / bound;
};

const expectBoundedWaits = ({ waitedMs }: SimulationResult): void =>
  expect(Math.max(0, ...waitedMs)).toBeLessThanOrEqual(DEADLINE_MS);

test(
  "no window W admits more than capacity + refill × (W + lease), and nobody waits longer than the deadline",
  () => {
    let most = 0;
    assertAlways(false, (result, schedule) => {
      const { capacity, refillPerSecond } = promisedBy(schedule);
      most = Math.max(most, expectWithin(result.logs, capacity + (refillPerSecond * LEASE_MS) / 1_000));
      expectBoundedWaits(result);
    });
    // The schedules come close to it: a bound that nothing reaches would show nothing.
    expect(most).toBeGreaterThan(0.9);
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
      expectBoundedWaits(result);
    });
  },
  TIMEOUT_MS,
);
