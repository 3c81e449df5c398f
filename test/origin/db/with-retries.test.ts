import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Scope } from "../../../src/origin/db/database.ts";
import { StatementError, UnavailableError } from "../../../src/origin/db/errors.ts";
import { withRetries } from "../../../src/origin/db/postgres.ts";
import { Deadline } from "../../../src/origin/middleware/deadline.ts";

// Test files share a process, so timers of other files may be on the fake clock, too.
beforeEach(() => void vi.useFakeTimers({ now: 0, toFake: ["Date"] }));
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const endingAt = (deadlineAtMs: number): Deadline => new Deadline("any", deadlineAtMs, false);
const rejection = (code: string, message = "rejected"): StatementError =>
  new StatementError("SELECT 1", { code, message, constraint: undefined }, undefined);

interface Run {
  readonly failures: readonly Error[];
  readonly random?: number;
  readonly scope?: Scope;
}

/** Each attempt fails with the next failure; after the last one it succeeds. Pauses are milliseconds. */
const run = async ({ failures, random = 0.5, scope = endingAt(Number.POSITIVE_INFINITY) }: Run) => {
  let tries = 0;
  const stalePlans: unknown[] = [];
  const attempt = async (): Promise<string> => {
    const failure = failures[tries];
    tries += 1;
    if (failure !== undefined) throw failure;
    return "done";
  };
  vi.spyOn(Math, "random").mockReturnValue(random);
  const pauses: number[] = [];
  const pause = async (ms: number): Promise<void> => {
    pauses.push(ms);
    vi.setSystemTime(Date.now() + ms);
  };
  const onStalePlan = (error: unknown): void => void stalePlans.push(error);
  const result = await withRetries(scope, attempt, onStalePlan, pause).catch((error: unknown) => error);
  return { result, tries, stalePlans, pauses };
};

describe("an attempt that fails for a reason of concurrency", () => {
  const twenty = Array.from({ length: 20 }, () => rejection("40001"));

  test.each(["40001", "40P01"])("is retried: %s", async (code) => {
    const failures = [rejection(code), rejection(code)];
    expect(await run({ failures })).toMatchObject({ result: "done", tries: 3 });
  });

  test("is made eight times, then the last failure is thrown", async () => {
    expect(await run({ failures: twenty })).toMatchObject({ result: twenty[7], tries: 8, stalePlans: [] });
  });

  test("is retried after a random part of a bound that doubles, up to 250 ms", async () => {
    const bounds = [10, 20, 40, 80, 160, 250, 250];
    expect((await run({ failures: twenty, random: 1 })).pauses).toEqual(bounds);
    expect((await run({ failures: twenty, random: 0.25 })).pauses).toEqual(bounds.map((ms) => ms / 4));
    expect((await run({ failures: twenty, random: 0 })).pauses).toEqual([]);
  });

  test.each([
    [5, 1],
    [5.001, 2],
  ])("is not retried if the pause of 5 ms would reach the deadline: %d ms away", async (deadlineAtMs, tries) => {
    const failure = rejection("40001");
    const scope = endingAt(deadlineAtMs);
    expect(await run({ failures: [failure, failure], scope })).toMatchObject({ result: failure, tries });
  });

  test("is not retried once the request has ended", async () => {
    const scope = endingAt(Number.POSITIVE_INFINITY);
    scope.end("abandoned");
    expect(await run({ failures: [rejection("40001")], scope })).toMatchObject({ tries: 1 });
  });
});

test.each([
  ["26000", 'prepared statement "bw_1" does not exist'],
  ["42P05", 'prepared statement "bw_1" already exists'],
  ["0A000", "cached plan must not change result type"],
])("a stale prepared statement is retried at once, and reported: %s", async (code, message) => {
  const failure = rejection(code, message);
  const outcome = await run({ failures: [failure] });
  expect(outcome).toEqual({ result: "done", tries: 2, stalePlans: [failure], pauses: [] });
});

test.each([
  ["a violated constraint", rejection("23505")],
  ["a code next to serialization_failure", rejection("40003")],
  ["an unsupported feature", rejection("0A000", "cursors are not supported")],
  ["a dependency that is down", new UnavailableError("down")],
  ["a programming error", new TypeError("undefined is not a function")],
])("any other failure is thrown at once: %s", async (_, failure) => {
  expect(await run({ failures: [failure] })).toMatchObject({ result: failure, tries: 1, stalePlans: [] });
});
