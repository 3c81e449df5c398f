/** Two breakers live through the same, but for what must make no difference: their lives have to be the same. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { createBreaker, type Permit } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import type { BreakerOptions } from "../../../src/resilience/circuit-breaker/options.ts";
import { anySteps, OPTIONS, RUNS, type Step, settle } from "./any-steps.ts";

interface Habits {
  /** Whether it is told of results of an earlier generation. */
  readonly isToldLate: boolean;
  /** How often somebody who is rejected asks again at once. */
  readonly insists: number;
  /** Whether it is hastened where it is not open. */
  readonly isHastenedInVain: boolean;
}

const USUAL: Habits = { isToldLate: true, insists: 0, isHastenedInVain: true };

interface Held {
  readonly permit: Permit;
  /** How many changes of state there had been. */
  readonly generation: number;
}

const live = (
  steps: readonly Step[],
  random: number,
  { isToldLate, insists, isHastenedInVain }: Habits,
  options: BreakerOptions,
): readonly string[] => {
  let nowMs = 0;
  let generation = 0;
  let held: readonly Held[] = [];
  const breaker = createBreaker(options, {
    now: () => nowMs,
    random: () => random,
    onTransition: () => {
      generation += 1;
    },
  });
  const acquire = (): string => {
    const answer = breaker.tryAcquire();
    if (answer.granted) held = [...held, { permit: answer, generation }];
    return answer.granted ? "granted" : `rejected until ${answer.retryAtMs}`;
  };
  const take = (which: number): Held | undefined => {
    const taken = held[which % Math.max(1, held.length)];
    held = held.filter((each) => each !== taken);
    return taken;
  };
  return steps.map((step) => {
    let answer = "";
    if (step.do === "wait") nowMs += step.ms;
    else if (step.do === "hasten") {
      if (isHastenedInVain || breaker.state === "open") breaker.probeNow();
    } else if (step.do === "settle") {
      const taken = take(step.which);
      if (taken !== undefined && (isToldLate || taken.generation === generation))
        settle(taken.permit, step.how);
    } else {
      answer = acquire();
      for (let turn = 0; turn < insists && answer !== "granted"; turn += 1) answer = acquire();
    }
    return `${breaker.state} ${answer}`;
  });
};

/** Never nothing: it is open for some time at least. */
const anyRandom = fc.float({ min: Math.fround(0.1), max: Math.fround(0.999), noNaN: true });

const expectNoDifference = (one: Habits, other: Habits, options: BreakerOptions): void =>
  fc.assert(
    fc.property(anySteps, anyRandom, (steps, random) => {
      expect(live(steps, random, one, options)).toEqual(live(steps, random, other, options));
    }),
    RUNS,
  );

test("a result of an earlier generation makes no difference, however it is told", () => {
  expectNoDifference(USUAL, { ...USUAL, isToldLate: false }, OPTIONS);
});

test("a rejection is not counted: whoever is rejected may ask again, and is only rejected again", () => {
  // On the ramp the share is one of those who ask.
  const options = { ...OPTIONS, rampMs: 0 };
  expectNoDifference(USUAL, { ...USUAL, insists: 3 }, options);
});

test("to be hastened makes no difference where it is not open: no second probe, no shorter ramp", () => {
  expectNoDifference(USUAL, { ...USUAL, isHastenedInVain: false }, OPTIONS);
});
