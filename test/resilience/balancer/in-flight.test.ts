import fc from "fast-check";
import { expect, test } from "vitest";
import { InFlight } from "../../../src/resilience/balancer/load.ts";

const PERIOD_MS = 30_000;
/** The start of a period. */
const START_MS = 60_000_000 * PERIOD_MS;

test.for([
  60_000, 3_600_000,
])("the late end of an expired request, after %i ms, does not count for another one", (ms) => {
  const inFlight = new InFlight();
  const forgotten = inFlight.enter(START_MS);
  inFlight.enter(START_MS + ms);
  inFlight.leave(forgotten);
  expect(inFlight.count(START_MS + ms)).toBe(1);
});

type Step =
  | { readonly do: "enter" }
  | { readonly do: "leave"; readonly which: number }
  | { readonly do: "pass"; readonly ms: number };

const stepsWith = (pass: fc.Arbitrary<number>): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.constant<Step>({ do: "enter" }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("leave" as const), which: fc.nat(1_000) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: pass }) },
    ),
    { maxLength: 100, size: "max" },
  );

interface OpenRequest {
  readonly period: number;
  readonly atMs: number;
}

/** @param check called after each step @returns the count after all requests have ended */
const play = (steps: readonly Step[], check: (count: number, agesMs: readonly number[]) => void): number => {
  const inFlight = new InFlight();
  let nowMs = START_MS;
  let open: readonly OpenRequest[] = [];
  const leave = (each: OpenRequest): void => {
    open = open.filter((other) => other !== each);
    inFlight.leave(each.period);
  };
  for (const each of steps) {
    if (each.do === "pass") nowMs += each.ms;
    else if (each.do === "enter") open = [...open, { period: inFlight.enter(nowMs), atMs: nowMs }];
    else {
      const one = open[each.which % Math.max(1, open.length)];
      if (one !== undefined) leave(one);
    }
    check(
      inFlight.count(nowMs),
      open.map(({ atMs }) => nowMs - atMs),
    );
  }
  for (const each of open) leave(each);
  return inFlight.count(nowMs);
};

test("every request of the last 30 s is counted, and none older than 60 s", () => {
  fc.assert(
    fc.property(stepsWith(fc.nat(40_000)), (steps) => {
      play(steps, (count, agesMs) => {
        expect(count).toBeGreaterThanOrEqual(agesMs.filter((ms) => ms <= PERIOD_MS).length);
        expect(count).toBeLessThanOrEqual(agesMs.filter((ms) => ms < 2 * PERIOD_MS).length);
      });
    }),
  );
});

test("on any clock, the count never exceeds the open requests, and is 0 after all have ended", () => {
  fc.assert(
    fc.property(stepsWith(fc.integer({ min: -90_000, max: 90_000 })), (steps) => {
      const left = play(steps, (count, agesMs) => {
        expect(count).toBeGreaterThanOrEqual(0);
        expect(count).toBeLessThanOrEqual(agesMs.length);
      });
      expect(left).toBe(0);
    }),
  );
});
