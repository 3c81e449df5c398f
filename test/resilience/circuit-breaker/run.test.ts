import { expect, test } from "vitest";
import {
  BreakerOpenError,
  createBreaker,
  type Outcome,
} from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";

class Failed extends Error {
  readonly outcome: Outcome;
  constructor(outcome: Outcome) {
    super(outcome);
    this.outcome = outcome;
  }
}

const start = () => {
  let nowMs = 0;
  const breaker = createBreaker({}, { now: () => nowMs, random: () => 0.5 });
  const run = <T>(work: () => Promise<T>): Promise<T> =>
    breaker.run(work, (error) => (error instanceof Failed ? error.outcome : "ignored"));
  const attempt = (outcome: Outcome): Promise<unknown> =>
    run(() => Promise.reject(new Failed(outcome))).catch((error: unknown) => error);
  const at = (atMs: number): void => {
    nowMs = atMs;
  };
  return { breaker, run, attempt, at };
};

const times = async (count: number, work: () => Promise<unknown>): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await work();
};

test("returns the result of the call, and throws its error", async () => {
  const { run, attempt } = start();
  expect(await run(async () => 7)).toBe(7);
  expect(await attempt("failure")).toBeInstanceOf(Failed);
});

test("an open breaker makes no calls", async () => {
  const { breaker, run, attempt } = start();
  await times(5, () => attempt("failure"));
  expect(breaker.state).toBe("open");
  let calls = 0;
  const rejected = run(async () => {
    calls += 1;
  });
  await expect(rejected).rejects.toBeInstanceOf(BreakerOpenError);
  await expect(rejected).rejects.toMatchObject({ retryAtMs: 500 });
  expect(calls).toBe(0);
});

test("errors classified as success or ignored never open it", async () => {
  const { breaker, attempt } = start();
  await times(50, () => attempt("success"));
  await times(50, () => attempt("ignored"));
  expect(breaker.state).toBe("closed");
});

test("a call that throws synchronously is classified like any other", async () => {
  const { breaker, run } = start();
  await times(5, () =>
    run(() => {
      throw new Failed("failure");
    }).catch(() => undefined),
  );
  expect(breaker.state).toBe("open");
});
