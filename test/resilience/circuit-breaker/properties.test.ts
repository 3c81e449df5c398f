/** What holds of a breaker whatever its callers do, in whichever order. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Transition } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { createBreaker, type Permit } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { anySteps, LEASE_MS, LONGEST_MS, OPTIONS, RUNS, type Step, settle } from "./any-steps.ts";

interface Held {
  readonly permit: Permit;
  /** How many changes of state there had been. */
  readonly generation: number;
  readonly atMs: number;
}

interface Moment {
  readonly step: Step;
  readonly nowMs: number;
  readonly before: string;
  readonly after: string;
  readonly held: readonly Held[];
  readonly settled: Held | undefined;
  readonly acquired: boolean;
  readonly transitions: readonly Transition[];
  readonly changes: number;
}

const NOTHING: Held[] = [];

/** Plays the steps, and shows each moment. */
const play = (steps: readonly Step[], random: () => number, look: (moment: Moment) => void) => {
  const transitions: Transition[] = [];
  let held = NOTHING;
  let nowMs = 0;
  const breaker = createBreaker(OPTIONS, {
    now: () => nowMs,
    random,
    onTransition: (each) => transitions.push(each),
  });
  for (const each of steps) {
    const before = breaker.state;
    const seen = transitions.length;
    let settled: Held | undefined;
    let acquired = false;
    if (each.do === "wait") nowMs += each.ms;
    else if (each.do === "hasten") breaker.probeNow();
    else if (each.do === "acquire") {
      const answer = breaker.tryAcquire();
      acquired = answer.granted;
      if (answer.granted) held = [...held, { permit: answer, generation: transitions.length, atMs: nowMs }];
      else expect(answer.retryAtMs).toBeGreaterThanOrEqual(nowMs);
    } else {
      settled = held[each.which % Math.max(1, held.length)];
      held = held.filter((other) => other !== settled);
      if (settled !== undefined) settle(settled.permit, each.how);
    }
    const changes = transitions.length - seen;
    look({ step: each, nowMs, before, after: breaker.state, held, settled, acquired, transitions, changes });
  }
  const wait = (ms: number): void => {
    nowMs += ms;
  };
  return { breaker, wait };
};

const anyRandom = fc.float({ min: 0, max: Math.fround(0.999), noNaN: true }).map((value) => () => value);
const assertAlways = (look: (moment: Moment) => void): void =>
  fc.assert(
    fc.property(anySteps, anyRandom, (steps, random) => void play(steps, random, look)),
    RUNS,
  );

test("never more than one probe is on its way within its lease", () => {
  assertAlways(({ after, held, transitions, nowMs }) => {
    if (after !== "half_open") return;
    const probes = held.filter(
      ({ generation, atMs }) => generation === transitions.length && nowMs - atMs < LEASE_MS,
    );
    expect(probes.length).toBeLessThanOrEqual(1);
  });
});

test("to be hastened changes no state", () => {
  assertAlways(({ step: each, changes }) => {
    if (each.do === "hasten") expect(changes).toBe(0);
  });
});

test("a result of an earlier generation never changes the state", () => {
  assertAlways(({ settled, transitions, changes }) => {
    const generationNow = transitions.length - changes;
    if (settled !== undefined && settled.generation !== generationNow) expect(changes).toBe(0);
  });
});

test("the state changes only as a breaker's may", () => {
  const allowed = ["closed open", "open half_open", "half_open open", "half_open closed"];
  assertAlways(({ transitions, changes }) => {
    for (const { from, to } of transitions.slice(transitions.length - changes))
      expect(allowed).toContain(`${from} ${to}`);
  });
});

test("rejections are not counted: without a result nothing opens it", () => {
  const onlyAcquire = anySteps.map((steps) => steps.filter((each) => each.do !== "settle"));
  fc.assert(
    fc.property(onlyAcquire, anyRandom, (steps, random) => {
      expect(play(steps, random, () => undefined).breaker.state).toBe("closed");
    }),
    RUNS,
  );
});

test("only a result that is told opens what is closed, and only one of its own generation", () => {
  assertAlways(({ after, before, settled, step: each, transitions }) => {
    if (before !== "closed" || after !== "open") return;
    expect(each.do).toBe("settle");
    expect(settled?.generation).toBe(transitions.length - 1);
  });
});

test("it is never stuck: after the longest time and a lease, calls that succeed close it", () => {
  fc.assert(
    fc.property(anySteps, anyRandom, (steps, random) => {
      const { breaker, wait } = play(steps, random, () => undefined);
      wait(LONGEST_MS + LEASE_MS);
      for (let turn = 0; turn < 8; turn += 1) {
        const answer = breaker.tryAcquire();
        if (answer.granted) answer.ok();
        // The lease of a probe that nobody settles is over: it opens, and at most so long.
        else wait(LONGEST_MS);
      }
      expect(breaker.state).toBe("closed");
    }),
    RUNS,
  );
});
