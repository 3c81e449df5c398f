/**
 * `npm run fuzz`: feeds a million inputs to everything that parses text from outside. Exits with 1 if an input had a result
 * that is not planned or a parser was not covered, with 2 for wrong arguments. A failing input is added to `corpus/`.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { textTable } from "../bench/support/table.ts";
import { keep } from "./corpus.ts";
import { coverageOf, coverageRow, failureLines, isCovered, isPassed, resultRow } from "./report.ts";
import { type Run, runTargets } from "./run.ts";
import { servicesFor } from "./services.ts";
import { findTarget, targetEntries } from "./targets/index.ts";

const USAGE = `npm run fuzz                  a million inputs, over all targets
npm run fuzz -- --inputs N    as many
  --seed N                    the same inputs again
  --target NAME               only this target; may be repeated
  --list                      the targets`;

const DEFAULT_INPUTS = 1_000_000;
/** Inputs from which on each parser has to be covered. */
const MIN_INPUTS = 100_000;
const MAX_SEED = 2 ** 31;

/** @throws Error with a message for the user */
const numberOf = (text: string | undefined, name: string, otherwise: number): number => {
  if (text === undefined) return otherwise;
  if (/^\d{1,10}$/.test(text) && Number(text) > 0) return Number(text);
  throw new Error(`--${name} ${text}: use a whole number\n${USAGE}`);
};

/** @throws Error with a message for the user */
const readArguments = () => {
  const { values } = parseArgs({
    options: {
      inputs: { type: "string" },
      seed: { type: "string" },
      target: { type: "string", multiple: true },
      list: { type: "boolean" },
    },
  });
  const targets = (values.target ?? targetEntries.map(({ name }) => name)).map((name) => {
    const entry = targetEntries.find((each) => each.name === name);
    if (entry === undefined) throw new Error(`there is no target ${name}: npm run fuzz -- --list`);
    return entry;
  });
  return {
    targets,
    inputs: numberOf(values.inputs, "inputs", DEFAULT_INPUTS),
    seed: numberOf(values.seed, "seed", randomInt(1, MAX_SEED)),
    isList: values.list === true,
  };
};

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const run = async (): Promise<number> => {
  const { targets, inputs, seed, isList } = readArguments();
  if (isList) {
    for (const { name } of targets) print(`${name.padEnd(22)} ${(await findTarget(name)).files.join(", ")}`);
    return 0;
  }
  const shares = targets.reduce((sum, { share }) => sum + share, 0);
  const cleanups = new CleanupStack();
  const runs: Run[] = [];
  print(`seed ${seed}`);
  try {
    const services = await servicesFor(targets, cleanups);
    for (const { name, share } of targets) {
      const wanted = Math.ceil((inputs * share) / shares);
      const result = await runTargets({ jobs: [{ target: name, inputs: wanted }], seed, services });
      runs.push(result);
      for (const report of result.reports) {
        print(resultRow(report).join("  "));
        for (const line of failureLines(report)) print(line);
        const failing = report.failures.map(({ input }) => input);
        await keep(
          name,
          failing.filter((input) => input !== ""),
        );
      }
    }
  } finally {
    await cleanups.runAll();
  }
  const reports = runs.flatMap((each) => each.reports);
  const header = ["target", "inputs", "failures", "slowest", "memory", "duration"];
  print(`\n${textTable(header, reports.map(resultRow))}\n`);
  const coverage = coverageOf(runs);
  print(textTable(["file", "lines run", "of", "", "not run"], coverage.map(coverageRow)));
  const total = reports.reduce((sum, each) => sum + each.inputs, 0);
  const failed = reports.filter((report) => !isPassed(report)).map(({ target }) => target);
  // Of some targets alone, or with few inputs, the lines are only shown.
  const isWhole = targets.length === targetEntries.length && inputs >= MIN_INPUTS;
  if (isWhole) failed.push(...coverage.filter((each) => !isCovered(each)).map(({ file }) => file));
  const verdict = failed.length === 0 ? `every result was a planned one` : `failed: ${failed.join(", ")}`;
  print(`\n${total} inputs, seed ${seed}: ${verdict}`);
  return failed.length === 0 ? 0 : 1;
};

run().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  },
);
