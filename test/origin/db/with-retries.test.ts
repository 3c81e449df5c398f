import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Scope } from "../../../src/origin/db/database.ts";
import { StatementError, UnavailableError } from "../../../src/origin/db/errors.ts";
import { withRetries } from "../../../src/origin/db/postgres.ts";
import { Deadline } from "../../../src/origin/middleware/deadline.ts";

/** Pauses, milliseconds. */
let pauses: number[];
beforeEach(() => {
  pauses = [];
  vi.useFakeTimers({ now: 0 });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const rejection = (code: string, message = "rejected"): StatementError =>
  new StatementError("SELECT 1", { code, message, constraint: undefined }, undefined);

interface Run {
  readonly failures: readonly Error[];
  readonly deadlineAtMs?: number;
  readonly random?: number;
  readonly scope?: Scope;
}

/** Each attempt fails with the next failure; after the last one it succeeds. */
const run = async ({ failures, deadlineAtMs = Number.POSITIVE_INFINITY, random = 0.5, scope }: Run) => {
  let tries = 0;
  const stalePlans: unknown[] = [];
  const attempt = async (): Promise<string> => {
    const failure = failures[tries];
    tries += 1;
    if (failure !== undefined) throw failure;
    return "done";
  };
  vi.spyOn(Math, "random").mockReturnValue(random);
  const timers = vi.spyOn(globalThis, "setTimeout");
  const running = withRetries(scope ?? new Deadline("any", deadlineAtMs, false), attempt, (error) => {
    stalePlans.push(error);
  }).catch((error: unknown) => error);
  await vi.runAllTimersAsync();
  pauses.push(...timers.mock.calls.map(([, ms = 0]) => ms));
  timers.mockRestore();
  return { result: await running, tries, stalePlans };
};

describe("an attempt that fails for a reason of concurrency", () => {
  test.each(["40001", "40P01"])("is retried: %s", async (code) => {
    expect(await run({ failures: [rejection(code), rejection(code)] })).toMatchObject({
      result: "done",
      tries: 3,
    });
  });

  test("is made eight times, then the last failure is thrown", async () => {
    const failures = Array.from({ length: 20 }, () => rejection("40001"));
    expect(await run({ failures })).toEqual({ result: failures[7], tries: 8, stalePlans: [] });
  });

  test("is retried after a pause whose bound doubles, up to 250 ms", async () => {
    const failures = Array.from({ length: 20 }, () => rejection("40001"));
    await run({ failures, random: 1 });
    expect(pauses).toEqual([10, 20, 40, 80, 160, 250, 250]);
  });

  test("is retried after a random part of that bound", async () => {
    const failures = [rejection("40001"), rejection("40P01")];
    await run({ failures, random: 0.25 });
    await run({ failures, random: 0 });
    expect(pauses).toEqual([2.5, 5]);
  });

  test.each([
    [5, 1],
    [5.001, 2],
  ])("is not retried if the pause of 5 ms would reach the deadline: %d ms away", async (deadlineAtMs, tries) => {
    const failure = rejection("40001");
    expect(await run({ failures: [failure, failure], deadlineAtMs, random: 0.5 })).toMatchObject({
      result: failure,
      tries,
    });
  });

  test("is not retried once the request has ended", async () => {
    const scope = new Deadline("any", Number.POSITIVE_INFINITY, false);
    scope.end("abandoned");
    expect(await run({ failures: [rejection("40001")], scope })).toMatchObject({ tries: 1 });
  });
});

describe("a stale prepared statement", () => {
  test.each([
    ["26000", 'prepared statement "bw_1" does not exist'],
    ["42P05", 'prepared statement "bw_1" already exists'],
    ["0A000", "cached plan must not change result type"],
  ])("is retried at once, and reported: %s", async (code, message) => {
    const failure = rejection(code, message);
    expect(await run({ failures: [failure] })).toEqual({ result: "done", tries: 2, stalePlans: [failure] });
    expect(pauses).toEqual([]);
  });
});

test.each([
  ["a violated constraint", rejection("23505")],
  ["a code next to serialization_failure", rejection("40003")],
  ["an unsupported feature", rejection("0A000", "cursors are not supported")],
  ["a dependency that is down", new UnavailableError("down")],
  ["a programming error", new TypeError("undefined is not a function")],
])("any other failure is thrown at once: %s", async (_, failure) => {
  expect(await run({ failures: [failure] })).toEqual({ result: failure, tries: 1, stalePlans: [] });
});
