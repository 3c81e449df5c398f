/**
 * The targets of `npm run fuzz` with few inputs, the same ones each time, after those of the corpus. To look further, run it: a
 * million inputs take some minutes.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { coverageOf, isCovered } from "./report.ts";
import { type Run, runTargets } from "./run.ts";
import { servicesFor } from "./services.ts";
import { type TargetEntry, targetEntries } from "./targets/index.ts";

const SEED = 1;
const INPUTS = 1_000;
/** Each waits for a database, or for timers. */
const FEW_INPUTS = 200;
/** So few inputs reach fewer lines than a million, percent. */
const COVERED = 80;

const waiting = ["edge-requests", "origin-requests", "wire", "backups"];
const isWaiting = ({ name }: TargetEntry): boolean => waiting.includes(name);

const inputsOf = (entry: TargetEntry): number =>
  isWaiting(entry) ? FEW_INPUTS : Math.ceil(INPUTS * Math.min(1, entry.share));

const cleanups = new CleanupStack();
let runs: readonly Run[] = [];

/** In a thread of its own. */
const run = async (entries: readonly TargetEntry[]): Promise<Run> => {
  const services = await servicesFor(entries, cleanups);
  const jobs = entries.map((entry) => ({ target: entry.name, inputs: inputsOf(entry) }));
  return await runTargets({ jobs, seed: SEED, services });
};

beforeAll(async () => {
  const parsers = targetEntries.filter((entry) => !isWaiting(entry));
  runs = await Promise.all([run(parsers), run(targetEntries.filter(isWaiting))]);
}, 900_000);
afterAll(() => cleanups.runAll());

describe("every input has a planned result, and none hangs", () => {
  test.each(targetEntries)("$name", (entry) => {
    const report = runs.flatMap(({ reports }) => reports).find(({ target }) => target === entry.name);
    expect(report?.failures).toEqual([]);
    expect(report?.inputs).toBeGreaterThan(0);
  });
});

test("the inputs reach the parsers", () => {
  const coverage = coverageOf(runs);
  expect(coverage.length).toBeGreaterThan(60);
  expect(coverage.filter((file) => !isCovered(file, COVERED))).toEqual([]);
});
