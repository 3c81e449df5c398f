/** Two breakers get the same calls, except for some that must make no difference. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type BreakerOptions,
  createBreaker,
  type Permit,
} from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { anySteps, OPTIONS, RUNS, type Step, settle } from "./any-steps.ts";

interface Habits {
  /** Whether permits of earlier generations are settled. */
  readonly settlesLate: boolean;
  /** How often a rejected caller tries again at once. */
  readonly retries: number;
  /** Whether `probeNow` is called on a breaker that is not open. */
  readonly probesAlways: boolean;
}

const USUAL: Habits = { settlesLate: true, retries: 0, probesAlways: true };

interface OpenPermit {
  readonly permit: Permit;
  /** Changes of state before it. */
  readonly generation: number;
}

const history = (
  steps: readonly Step[],
  random: number,
  { settlesLate, retries, probesAlways }: Habits,
  options: BreakerOptions,
): readonly string[] => {
  let nowMs = 0;
  let generation = 0;
  let open: readonly OpenPermit[] = [];
  const breaker = createBreaker(options, {
    now: () => nowMs,
    random: () => random,
    onTransition: () => {
      generation += 1;
    },
  });
  const acquire = (): string => {
    const answer = breaker.tryAcquire();
    if (answer.granted) open = [...open, { permit: answer, generation }];
    return answer.granted ? "granted" : `rejected until ${answer.retryAtMs}`;
  };
  const take = (which: number): OpenPermit | undefined => {
    const taken = open[which % Math.max(1, open.length)];
    open = open.filter((each) => each !== taken);
    return taken;
  };
  return steps.map((step) => {
    let answer = "";
    if (step.do === "wait") nowMs += step.ms;
    else if (step.do === "probeNow") {
      if (probesAlways || breaker.state === "open") breaker.probeNow();
    } else if (step.do === "settle") {
      const taken = take(step.which);
      if (taken !== undefined && (settlesLate || taken.generation === generation))
        settle(taken.permit, step.how);
    } else {
      answer = acquire();
      for (let turn = 0; turn < retries && answer !== "granted"; turn += 1) answer = acquire();
    }
    return `${breaker.state} ${answer}`;
  });
};

/** Above 0, so that every open time is longer than 0. */
const anyRandom = fc.float({ min: Math.fround(0.1), max: Math.fround(0.999), noNaN: true });

const expectNoDifference = (one: Habits, other: Habits, options: BreakerOptions): void =>
  fc.assert(
    fc.property(anySteps, anyRandom, (steps, random) => {
      expect(history(steps, random, one, options)).toEqual(history(steps, random, other, options));
    }),
    RUNS,
  );

test("outcomes of earlier generations make no difference", () => {
  expectNoDifference(USUAL, { ...USUAL, settlesLate: false }, OPTIONS);
});

test("rejections are not counted: trying again at once only leads to the next rejection", () => {
  // The ramp admits a ratio of the calls, so further calls would make a difference.
  const options = { ...OPTIONS, rampMs: 0 };
  expectNoDifference(USUAL, { ...USUAL, retries: 3 }, options);
});

test("probeNow makes no difference to a breaker that is not open: no second probe, no shorter ramp", () => {
  expectNoDifference(USUAL, { ...USUAL, probesAlways: false }, OPTIONS);
});
