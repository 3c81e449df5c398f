/**
 * The targets of `npm run fuzz` with few inputs, the same ones each time, after those of the corpus. To look further, run it: a
 * million inputs take some minutes.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { isCovered } from "./report.ts";
import { type Run, runTargets } from "./run.ts";
import { servicesFor } from "./services.ts";
import { targetEntries } from "./targets/index.ts";

const SEED = 1;
const INPUTS = 2_000;
/** Each waits for a database, or for timers. */
const FEW_INPUTS = 200;
/** So few inputs reach fewer lines than a million, percent. */
const COVERED = 80;

const waiting = ["edge-requests", "origin-requests", "wire", "backups"];
const groups = [
  { name: "parsers", entries: targetEntries.filter(({ name }) => !waiting.includes(name)) },
  { name: "whole requests, and files", entries: targetEntries.filter(({ name }) => waiting.includes(name)) },
];

const cleanups = new CleanupStack();
afterAll(() => cleanups.runAll());

describe.each(groups)("$name", ({ entries }) => {
  let run: Run;

  beforeAll(async () => {
    const services = await servicesFor(entries, cleanups);
    const jobs = entries.map(({ name, share }) => ({
      target: name,
      inputs: waiting.includes(name) ? FEW_INPUTS : Math.ceil(INPUTS * Math.min(1, share)),
    }));
    run = await runTargets({ jobs, seed: SEED, services });
  }, 300_000);

  test.each(entries)("$name: every input has a planned result, and none hangs", ({ name }) => {
    const report = run.reports.find(({ target }) => target === name);
    expect(report?.failures).toEqual([]);
  });

  test("the inputs reach the parsers", () => {
    expect(run.coverage.filter((file) => !isCovered(file, COVERED))).toEqual([]);
    expect(run.coverage.length).toBeGreaterThan(10);
  });
});
