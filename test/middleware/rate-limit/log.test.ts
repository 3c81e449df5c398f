import { expect, test } from "vitest";
import { createLimitLog } from "../../../src/middleware/rate-limit/index.ts";
import type { LimitResult } from "../../../src/middleware/rate-limit/limit-check.ts";
import { limitOf } from "./support/scene.ts";

const resultOf = (numbers: Partial<LimitResult> = {}): LimitResult => ({
  limit: limitOf(),
  mode: "lease",
  outcome: "passed",
  rule: limitOf(),
  remaining: 1,
  waitMs: 0,
  ...numbers,
});

const started = () => {
  const lines: unknown[] = [];
  let nowMs = 1_000;
  const report = createLimitLog(
    (entry) => void lines.push(entry),
    () => nowMs,
  );
  return {
    lines,
    report,
    wait: (ms: number) => {
      nowMs += ms;
    },
  };
};

test("rejections are logged in one line every ten seconds, with the number of requests passed", () => {
  const { report, wait, lines } = started();
  for (let turn = 0; turn < 100; turn += 1)
    report(resultOf({ outcome: turn % 4 === 0 ? "limited" : "passed" }));
  expect(lines).toEqual([]);
  wait(10_000);
  report(resultOf());
  expect(lines).toEqual([
    {
      level: "warn",
      message: "rate limit",
      limit: "test",
      dryRun: false,
      forMs: 10_000,
      passed: 76,
      limited: 25,
      unavailable: 0,
      withoutStore: 0,
    },
  ]);
});

test("decisions of a dry run, and those without the store, are logged as such", () => {
  const { report, wait, lines } = started();
  const tried = limitOf({ dryRun: true });
  report(resultOf({ limit: tried, outcome: "limited" }));
  for (const mode of ["local", "open", "closed"] as const) report(resultOf({ limit: tried, mode }));
  wait(10_000);
  report(resultOf({ limit: tried }));
  expect(lines).toMatchObject([{ dryRun: true, limited: 1, withoutStore: 3, passed: 4 }]);
});

test("a limit that rejects nothing is not logged", () => {
  const { report, wait, lines } = started();
  for (let turn = 0; turn < 10; turn += 1) {
    report(resultOf());
    wait(5_000);
  }
  expect(lines).toEqual([]);
});
