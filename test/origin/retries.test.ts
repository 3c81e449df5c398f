import { beforeEach, describe, expect, test } from "vitest";
import type { Scope } from "../../src/origin/data/database.ts";
import { StatementError, UnavailableError } from "../../src/origin/data/failure.ts";
import { withRetries } from "../../src/origin/data/retries.ts";
import { Deadline } from "../../src/origin/middleware/deadline.ts";

/** The pauses that were made, milliseconds. */
let pauses: number[];
beforeEach(() => {
  pauses = [];
});

const refusal = (code: string, message = "refused"): StatementError =>
  new StatementError("SELECT 1", { code, message, constraint: undefined }, undefined);

interface Run {
  readonly failures: readonly Error[];
  readonly deadlineAtMs?: number;
  readonly random?: number;
  readonly scope?: Scope;
}

/** Each try fails with the next failure; one without gives "done". */
const run = async ({ failures, deadlineAtMs = Number.POSITIVE_INFINITY, random = 0.5, scope }: Run) => {
  let tries = 0;
  const stalePlans: unknown[] = [];
  const attempt = async (): Promise<string> => {
    const failure = failures[tries];
    tries += 1;
    if (failure !== undefined) throw failure;
    return "done";
  };
  const result = await withRetries(scope ?? new Deadline("any", deadlineAtMs, false), attempt, {
    now: () => 0,
    random: () => random,
    onStalePlan: (error) => void stalePlans.push(error),
    pause: async (ms) => void pauses.push(ms),
  }).catch((error: unknown) => error);
  return { result, tries, stalePlans };
};

describe("what failed by no fault of its own", () => {
  test.each(["40001", "40P01"])("is tried again: %s", async (code) => {
    expect(await run({ failures: [refusal(code), refusal(code)] })).toMatchObject({
      result: "done",
      tries: 3,
    });
  });

  test("is tried eight times; the last failure is thrown then", async () => {
    const failures = Array.from({ length: 20 }, () => refusal("40001"));
    expect(await run({ failures })).toEqual({ result: failures[7], tries: 8, stalePlans: [] });
  });

  test("is tried again after a pause whose bound doubles, up to 250 ms", async () => {
    const failures = Array.from({ length: 20 }, () => refusal("40001"));
    await run({ failures, random: 1 });
    expect(pauses).toEqual([10, 20, 40, 80, 160, 250, 250]);
  });

  test("is tried again after any part of that, as chance will have it", async () => {
    const failures = [refusal("40001"), refusal("40P01")];
    await run({ failures, random: 0.25 });
    await run({ failures, random: 0 });
    expect(pauses).toEqual([2.5, 5]);
  });

  test.each([
    [5, 1],
    [5.001, 2],
  ])("is not tried again where the pause of 5 ms would reach the deadline: %d ms away", async (deadlineAtMs, tries) => {
    const failure = refusal("40001");
    expect(await run({ failures: [failure, failure], deadlineAtMs, random: 0.5 })).toMatchObject({
      result: failure,
      tries,
    });
  });

  test("is not tried again when nobody waits any more", async () => {
    const scope = new Deadline("any", Number.POSITIVE_INFINITY, false);
    scope.end("abandoned");
    expect(await run({ failures: [refusal("40001")], scope })).toMatchObject({ tries: 1 });
  });
});

describe("a prepared statement that the connection does not have", () => {
  test.each([
    ["26000", 'prepared statement "bw_1" does not exist'],
    ["42P05", 'prepared statement "bw_1" already exists'],
    ["0A000", "cached plan must not change result type"],
  ])("is prepared anew at once, and told: %s", async (code, message) => {
    const failure = refusal(code, message);
    expect(await run({ failures: [failure] })).toEqual({ result: "done", tries: 2, stalePlans: [failure] });
    expect(pauses).toEqual([]);
  });

  test("is told every time, also the last", async () => {
    const failures = Array.from({ length: 20 }, () => refusal("26000"));
    const { tries, stalePlans } = await run({ failures });
    expect({ tries, told: stalePlans.length }).toEqual({ tries: 8, told: 8 });
  });
});

test.each([
  ["a violated constraint", refusal("23505")],
  ["a serialization_failure's neighbour", refusal("40003")],
  ["a feature that PostgreSQL does not have", refusal("0A000", "cursors are not supported")],
  ["a dependency that is away", new UnavailableError("away")],
  ["an error of the program", new TypeError("undefined is not a function")],
])("what would fail again is thrown at once: %s", async (_, failure) => {
  expect(await run({ failures: [failure] })).toEqual({ result: failure, tries: 1, stalePlans: [] });
});
