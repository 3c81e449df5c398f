import { expect, test } from "vitest";
import {
  BreakerOpenError,
  createBreaker,
  type Outcome,
} from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";

class Failed extends Error {
  readonly judgement: Outcome;
  constructor(judgement: Outcome) {
    super(judgement);
    this.judgement = judgement;
  }
}

const start = () => {
  let nowMs = 0;
  const breaker = createBreaker({}, { now: () => nowMs, random: () => 0.5 });
  const run = <T>(work: () => Promise<T>): Promise<T> =>
    breaker.run(work, (error) => (error instanceof Failed ? error.judgement : "ignored"));
  const attempt = (judgement: Outcome): Promise<unknown> =>
    run(() => Promise.reject(new Failed(judgement))).catch((error: unknown) => error);
  const at = (atMs: number): void => {
    nowMs = atMs;
  };
  return { breaker, run, attempt, at };
};

const times = async (count: number, work: () => Promise<unknown>): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await work();
};

test("it gives what the attempt gives, and throws what it throws", async () => {
  const { run, attempt } = start();
  expect(await run(async () => 7)).toBe(7);
  expect(await attempt("failure")).toBeInstanceOf(Failed);
});

test("failures open it; then nothing is called", async () => {
  const { breaker, run, attempt } = start();
  await times(5, () => attempt("failure"));
  expect(breaker.state).toBe("open");
  let calls = 0;
  const refused = run(async () => {
    calls += 1;
  });
  await expect(refused).rejects.toBeInstanceOf(BreakerOpenError);
  await expect(refused).rejects.toMatchObject({ retryAtMs: 500 });
  expect(calls).toBe(0);
});

test("answers that the caller does not like, and what says nothing, never open it", async () => {
  const { breaker, attempt } = start();
  await times(50, () => attempt("success"));
  await times(50, () => attempt("ignored"));
  expect(breaker.state).toBe("closed");
});

test("an attempt that throws before its promise is judged like any other", async () => {
  const { breaker, run } = start();
  await times(5, () =>
    run(() => {
      throw new Failed("failure");
    }).catch(() => undefined),
  );
  expect(breaker.state).toBe("open");
});

test("it closes again by calls that succeed", async () => {
  const { breaker, run, attempt, at } = start();
  await times(5, () => attempt("failure"));
  at(1_000);
  await times(3, () => run(async () => 1));
  expect(breaker.state).toBe("closed");
});
