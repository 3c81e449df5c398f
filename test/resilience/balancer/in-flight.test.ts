import fc from "fast-check";
import { expect, test } from "vitest";
import { InFlight } from "../../../src/resilience/balancer/in-flight.ts";

const PERIOD_MS = 30_000;
/** At the beginning of a period. */
const START_MS = 60_000_000 * PERIOD_MS;

test("counts what has begun and has not ended", () => {
  const inFlight = new InFlight();
  const first = inFlight.enter(START_MS);
  inFlight.enter(START_MS);
  expect(inFlight.count(START_MS + 10)).toBe(2);
  inFlight.leave(first);
  expect(inFlight.count(START_MS + 10)).toBe(1);
});

test.for([
  { atMs: 0, forgottenAfterMs: 60_000 },
  { atMs: 10_000, forgottenAfterMs: 50_000 },
  { atMs: PERIOD_MS - 1, forgottenAfterMs: PERIOD_MS + 1 },
])("what never ends, begun $atMs ms into a period, is forgotten after $forgottenAfterMs ms", (each) => {
  const inFlight = new InFlight();
  inFlight.enter(START_MS + each.atMs);
  expect(inFlight.count(START_MS + each.atMs + each.forgottenAfterMs - 1)).toBe(1);
  expect(inFlight.count(START_MS + each.atMs + each.forgottenAfterMs)).toBe(0);
});

test("what ends in the next period is counted no more", () => {
  const inFlight = new InFlight();
  const early = inFlight.enter(START_MS);
  inFlight.enter(START_MS + PERIOD_MS);
  inFlight.leave(early);
  expect(inFlight.count(START_MS + PERIOD_MS)).toBe(1);
});

test.for([
  60_000, 3_600_000,
])("what ends after it was forgotten, %i ms later, takes nobody else's place", (ms) => {
  const inFlight = new InFlight();
  const forgotten = inFlight.enter(START_MS);
  inFlight.enter(START_MS + ms);
  inFlight.leave(forgotten);
  expect(inFlight.count(START_MS + ms)).toBe(1);
});

test("a clock that is set back forgets nothing and counts on", () => {
  const inFlight = new InFlight();
  const before = inFlight.enter(START_MS);
  const after = inFlight.enter(START_MS - 3_600_000);
  expect(inFlight.count(START_MS - 3_600_000)).toBe(2);
  inFlight.leave(before);
  inFlight.leave(after);
  expect(inFlight.count(START_MS - 3_600_000)).toBe(0);
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

interface Held {
  readonly period: number;
  readonly atMs: number;
}

/** Plays the steps, shows each moment, and in the end lets everything leave. @returns what is counted then */
const play = (steps: readonly Step[], look: (count: number, agesMs: readonly number[]) => void): number => {
  const inFlight = new InFlight();
  let nowMs = START_MS;
  let held: readonly Held[] = [];
  const leave = (each: Held): void => {
    held = held.filter((other) => other !== each);
    inFlight.leave(each.period);
  };
  for (const each of steps) {
    if (each.do === "pass") nowMs += each.ms;
    else if (each.do === "enter") held = [...held, { period: inFlight.enter(nowMs), atMs: nowMs }];
    else {
      const one = held[each.which % Math.max(1, held.length)];
      if (one !== undefined) leave(one);
    }
    look(
      inFlight.count(nowMs),
      held.map(({ atMs }) => nowMs - atMs),
    );
  }
  for (const each of held) leave(each);
  return inFlight.count(nowMs);
};

test("whatever has been under way for less than half a minute is counted, and nothing that has been for a minute", () => {
  fc.assert(
    fc.property(stepsWith(fc.nat(40_000)), (steps) => {
      play(steps, (count, agesMs) => {
        expect(count).toBeGreaterThanOrEqual(agesMs.filter((ms) => ms <= PERIOD_MS).length);
        expect(count).toBeLessThanOrEqual(agesMs.filter((ms) => ms < 2 * PERIOD_MS).length);
      });
    }),
  );
});

test("however the clock runs, there is never more counted than is under way, and nothing once all has ended", () => {
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
