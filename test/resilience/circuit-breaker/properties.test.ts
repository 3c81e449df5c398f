/** Invariants of a breaker under any sequence of calls. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  createBreaker,
  type Permit,
  type Transition,
} from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { anySteps, LEASE_MS, MAX_TIMEOUT_MS, OPTIONS, RUNS, type Step, settle } from "./any-steps.ts";

interface OpenPermit {
  readonly permit: Permit;
  /** Changes of state before it. */
  readonly generation: number;
  readonly atMs: number;
}

interface Moment {
  readonly step: Step;
  readonly nowMs: number;
  readonly before: string;
  readonly after: string;
  readonly open: readonly OpenPermit[];
  readonly settled: OpenPermit | undefined;
  readonly acquired: boolean;
  readonly transitions: readonly Transition[];
  readonly changes: number;
}

/** @param check called after each step */
const play = (steps: readonly Step[], random: () => number, check: (moment: Moment) => void) => {
  const transitions: Transition[] = [];
  let open: readonly OpenPermit[] = [];
  let nowMs = 0;
  const breaker = createBreaker(OPTIONS, {
    now: () => nowMs,
    random,
    onTransition: (each) => transitions.push(each),
  });
  for (const each of steps) {
    const before = breaker.state;
    const seen = transitions.length;
    let settled: OpenPermit | undefined;
    let acquired = false;
    if (each.do === "wait") nowMs += each.ms;
    else if (each.do === "probeNow") breaker.probeNow();
    else if (each.do === "acquire") {
      const answer = breaker.tryAcquire();
      acquired = answer.granted;
      if (answer.granted) open = [...open, { permit: answer, generation: transitions.length, atMs: nowMs }];
      else expect(answer.retryAtMs).toBeGreaterThanOrEqual(nowMs);
    } else {
      settled = open[each.which % Math.max(1, open.length)];
      open = open.filter((other) => other !== settled);
      if (settled !== undefined) settle(settled.permit, each.how);
    }
    const changes = transitions.length - seen;
    check({ step: each, nowMs, before, after: breaker.state, open, settled, acquired, transitions, changes });
  }
  const wait = (ms: number): void => {
    nowMs += ms;
  };
  return { breaker, wait };
};

const anyRandom = fc.float({ min: 0, max: Math.fround(0.999), noNaN: true }).map((value) => () => value);
const assertAlways = (check: (moment: Moment) => void): void =>
  fc.assert(
    fc.property(anySteps, anyRandom, (steps, random) => void play(steps, random, check)),
    RUNS,
  );

test("at most one probe is under way within its lease", () => {
  assertAlways(({ after, open, transitions, nowMs }) => {
    if (after !== "half_open") return;
    const probes = open.filter(
      ({ generation, atMs }) => generation === transitions.length && nowMs - atMs < LEASE_MS,
    );
    expect(probes.length).toBeLessThanOrEqual(1);
  });
});

test("probeNow changes no state", () => {
  assertAlways(({ step: each, changes }) => {
    if (each.do === "probeNow") expect(changes).toBe(0);
  });
});

test("an outcome of an earlier generation never changes the state", () => {
  assertAlways(({ settled, transitions, changes }) => {
    const generationNow = transitions.length - changes;
    if (settled !== undefined && settled.generation !== generationNow) expect(changes).toBe(0);
  });
});

test("only the allowed transitions happen", () => {
  const allowed = ["closed open", "open half_open", "half_open open", "half_open closed"];
  assertAlways(({ transitions, changes }) => {
    for (const { from, to } of transitions.slice(transitions.length - changes))
      expect(allowed).toContain(`${from} ${to}`);
  });
});

test("rejections are not counted: without an outcome, the breaker stays closed", () => {
  const onlyAcquire = anySteps.map((steps) => steps.filter((each) => each.do !== "settle"));
  fc.assert(
    fc.property(onlyAcquire, anyRandom, (steps, random) => {
      expect(play(steps, random, () => undefined).breaker.state).toBe("closed");
    }),
    RUNS,
  );
});

test("only an outcome of the current generation opens a closed breaker", () => {
  assertAlways(({ after, before, settled, step: each, transitions }) => {
    if (before !== "closed" || after !== "open") return;
    expect(each.do).toBe("settle");
    expect(settled?.generation).toBe(transitions.length - 1);
  });
});

test("it is never stuck: after the longest open time and a lease, successful calls close it", () => {
  fc.assert(
    fc.property(anySteps, anyRandom, (steps, random) => {
      const { breaker, wait } = play(steps, random, () => undefined);
      wait(MAX_TIMEOUT_MS + LEASE_MS);
      for (let turn = 0; turn < 8; turn += 1) {
        const answer = breaker.tryAcquire();
        if (answer.granted) answer.ok();
        // The lease of an abandoned probe ran out, so the breaker opened again.
        else wait(MAX_TIMEOUT_MS);
      }
      expect(breaker.state).toBe("closed");
    }),
    RUNS,
  );
});
