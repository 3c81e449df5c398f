/** Invariants of a breaker under any sequence of calls. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type BreakerOptions,
  type BreakerState,
  createBreaker,
  type Permit,
  type Transition,
} from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";

type Result = "ok" | "fail" | "ignore" | "pushback";

type Step =
  | { readonly do: "acquire" }
  /** Settles one of the open permits. */
  | { readonly do: "settle"; readonly which: number; readonly how: Result }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "probeNow" };

const LEASE_MS = 500;
const MAX_TIMEOUT_MS = 2_000;
const PUSHBACK_MS = 700;
/** Opens and closes quickly, so that a few steps reach every state. */
const OPTIONS: BreakerOptions = {
  failureThreshold: 2,
  successThreshold: 2,
  timeoutMs: 400,
  maxTimeoutMs: MAX_TIMEOUT_MS,
  halfOpenTimeoutMs: LEASE_MS,
  rampMs: 300,
};

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Step>({ do: "acquire" }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      which: fc.nat(1_000),
      how: fc.constantFrom<Result[]>("ok", "ok", "ok", "fail", "fail", "fail", "ignore", "pushback"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(LEASE_MS) }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "probeNow" }) },
);

const anySteps = fc.array(step, { maxLength: 200, size: "max" });
const randomFrom = (min: number) => fc.float({ min: Math.fround(min), max: Math.fround(0.999), noNaN: true });
const RUNS = { numRuns: 500 };

const settle = (permit: Permit, how: Result): void => {
  if (how === "ok") permit.ok();
  else if (how === "ignore") permit.ignore();
  else permit.fail(how === "pushback" ? PUSHBACK_MS : undefined);
};

interface OpenPermit {
  readonly permit: Permit;
  /** Changes of state before it. */
  readonly generation: number;
  readonly atMs: number;
}

interface Moment {
  readonly step: Step;
  readonly nowMs: number;
  readonly before: BreakerState;
  readonly after: BreakerState;
  readonly open: readonly OpenPermit[];
  readonly settled: OpenPermit | undefined;
  /** Of an attempt to acquire a permit. */
  readonly answer: string;
  readonly transitions: readonly Transition[];
  readonly changes: number;
}

interface Habits {
  readonly options?: BreakerOptions;
  /** Whether permits of earlier generations are settled. @default true */
  readonly settlesLate?: boolean;
  /** Number of further attempts of a rejected caller. @default 0 */
  readonly retries?: number;
  /** Whether `probeNow` is called on a breaker that is not open. @default true */
  readonly probesAlways?: boolean;
}

/** @param check called after each step */
const play = (
  steps: readonly Step[],
  random: number,
  check: (moment: Moment) => void,
  { options = OPTIONS, settlesLate = true, retries = 0, probesAlways = true }: Habits = {},
) => {
  const transitions: Transition[] = [];
  let open: readonly OpenPermit[] = [];
  let nowMs = 0;
  const breaker = createBreaker(options, {
    now: () => nowMs,
    random: () => random,
    onTransition: (each) => transitions.push(each),
  });
  const acquire = (): string => {
    const answer = breaker.tryAcquire();
    if (answer.granted) {
      open = [...open, { permit: answer, generation: transitions.length, atMs: nowMs }];
      return "granted";
    }
    expect(answer.retryAtMs).toBeGreaterThanOrEqual(nowMs);
    return `rejected until ${answer.retryAtMs}`;
  };
  for (const each of steps) {
    const before = breaker.state;
    const seen = transitions.length;
    let settled: OpenPermit | undefined;
    let answer = "";
    if (each.do === "wait") nowMs += each.ms;
    else if (each.do === "probeNow") {
      if (probesAlways || before === "open") breaker.probeNow();
    } else if (each.do === "acquire") {
      answer = acquire();
      for (let turn = 0; turn < retries && answer !== "granted"; turn += 1) answer = acquire();
    } else {
      settled = open[each.which % Math.max(1, open.length)];
      open = open.filter((other) => other !== settled);
      if (settled !== undefined && (settlesLate || settled.generation === seen))
        settle(settled.permit, each.how);
    }
    const changes = transitions.length - seen;
    check({ step: each, nowMs, before, after: breaker.state, open, settled, answer, transitions, changes });
  }
  const wait = (ms: number): void => {
    nowMs += ms;
  };
  return { breaker, wait };
};

const assertAlways = (check: (moment: Moment) => void): void =>
  fc.assert(
    fc.property(anySteps, randomFrom(0), (steps, random) => void play(steps, random, check)),
    RUNS,
  );

test("at most one probe is in flight within its lease", () => {
  assertAlways(({ after, open, transitions, nowMs }) => {
    if (after !== "half_open") return;
    const probes = open.filter(
      ({ generation, atMs }) => generation === transitions.length && nowMs - atMs < LEASE_MS,
    );
    expect(probes.length).toBeLessThanOrEqual(1);
  });
});

test("only the allowed transitions happen", () => {
  const allowed = ["closed open", "open half_open", "half_open open", "half_open closed"];
  assertAlways(({ transitions, changes }) => {
    for (const { from, to } of transitions.slice(transitions.length - changes))
      expect(allowed).toContain(`${from} ${to}`);
  });
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
    fc.property(anySteps, randomFrom(0), (steps, random) => {
      const { breaker, wait } = play(steps, random, () => undefined);
      wait(MAX_TIMEOUT_MS + LEASE_MS);
      for (let turn = 0; turn < 8; turn += 1) {
        const answer = breaker.tryAcquire();
        if (answer.granted) answer.ok();
        // The lease of an abandoned probe expired, so the breaker opened again.
        else wait(MAX_TIMEOUT_MS);
      }
      expect(breaker.state).toBe("closed");
    }),
    RUNS,
  );
});

// The ramp admits a ratio of the calls, so without it further calls make no difference.
const NO_RAMP = { ...OPTIONS, rampMs: 0 };

test.for<[string, Habits, Habits]>([
  ["outcomes of earlier generations make no difference", {}, { settlesLate: false }],
  [
    "rejections are not counted: trying again only leads to the next rejection",
    { options: NO_RAMP },
    { options: NO_RAMP, retries: 3 },
  ],
  ["probeNow makes no difference to a breaker that is not open", {}, { probesAlways: false }],
])("%s", ([, one, other]) => {
  const history = (steps: readonly Step[], random: number, habits: Habits): readonly string[] => {
    const entries: string[] = [];
    play(steps, random, ({ after, answer }) => void entries.push(`${after} ${answer}`), habits);
    return entries;
  };
  // Every open time is longer than 0.
  fc.assert(
    fc.property(anySteps, randomFrom(0.1), (steps, random) => {
      expect(history(steps, random, one)).toEqual(history(steps, random, other));
    }),
    RUNS,
  );
});
