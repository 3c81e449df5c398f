import { describe, expect, test } from "vitest";
import { type BackgroundJob, checkJobs, nextRun } from "../../../src/origin/jobs/job.ts";

const run = async (): Promise<void> => undefined;
const job: BackgroundJob = { name: "clean-up", every: "60s", timeout: "1s", run };

const NOON = Date.UTC(2026, 5, 1, 12);

describe("the next run", () => {
  test("of an interval begins that much after the start of the last one", () => {
    expect(nextRun(job, NOON)).toBe(NOON + 60_000);
  });

  test("of a cron expression is its next time in UTC", () => {
    const nightly: BackgroundJob = { name: "nightly", cron: "0 3 * * *", timeout: "1s", run };
    expect(nextRun(nightly, NOON)).toBe(Date.UTC(2026, 5, 2, 3));
  });
});

const wrong: Readonly<Record<string, readonly [jobs: readonly BackgroundJob[], message: RegExp]>> = {
  "a name with a space": [[{ ...job, name: "clean up" }], /"clean up" must be named/],
  "a name that occurs twice": [[job, job], /"clean-up" is declared twice/],
  "an interval below a second": [[{ ...job, every: "999ms" }], /an interval from 1s/],
  "no timeout": [[{ ...job, timeout: "0ms" }], /needs a timeout such as 30s/],
  "a malformed cron expression": [
    [{ name: "a", cron: "61 * * * *", timeout: "1ms", run }],
    /"a" has a wrong schedule/,
  ],
  "a cron expression that never comes": [
    [{ name: "a", cron: "0 0 30 2 *", timeout: "1ms", run }],
    /"a" has a wrong schedule: it never runs/,
  ],
};

test.each(Object.entries(wrong))("refuses %s, and names the job", (_name, [jobs, message]) => {
  expect(() => checkJobs(jobs)).toThrow(message);
});

test("accepts several jobs", () => {
  expect(() => checkJobs([job, { name: "nightly", cron: "0 3 * * *", timeout: "1ms", run }])).not.toThrow();
});
