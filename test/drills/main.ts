/**
 * `npm run drill`: breaks a running system under load, and compares the responses that its clients got with its database. Exits
 * with 1 if a promise was broken, with 2 for wrong arguments.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { LocalError } from "../../src/local/local-error.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { type Load, startLoad } from "./clients.ts";
import { FAULTS, type Fault } from "./faults.ts";
import { drawTimeline, type Row } from "./timeline.ts";
import { judge, type Turns, type Verdict } from "./verdict.ts";
import { startWatchers } from "./watchers.ts";
import { startWorld, type World } from "./world.ts";

/** In the order of a run. */
const SHORT = ["postgres-killed", "redis-killed", "origin-killed", "network-lossy", "origins-rolled"];
const BEFORE_MS = 6_000;
const FAULT_MS = 5_000;
/** Longer than a revocation may take. */
const AFTER_MS = 11_000;

const USAGE = `npm run drill -- NAME…       the faults with these names
npm run drill -- --all       all of them
npm run drill -- --short     five of them
npm run drill -- --list      their names
  --json                     the result as JSON
The timeline is in dist/drill.svg.`;

/** @throws Error with a message for the user */
const readArguments = () => {
  const options = {
    all: { type: "boolean" },
    short: { type: "boolean" },
    list: { type: "boolean" },
  } as const;
  const { values, positionals } = parseArgs({
    options: { ...options, json: { type: "boolean" } },
    allowPositionals: true,
  });
  const names =
    values.all === true ? FAULTS.map(({ name }) => name) : values.short === true ? SHORT : positionals;
  const faults = names.map((name) => {
    const fault = FAULTS.find((each) => each.name === name);
    if (fault === undefined) throw new Error(`there is no fault ${name}: npm run drill -- --list`);
    return fault;
  });
  if (faults.length === 0 && values.list !== true) throw new Error(USAGE);
  return { faults, isList: values.list === true, isJson: values.json === true };
};

const runFault = async (
  world: World,
  load: Load,
  { name, title, prepare, inject }: Fault,
  n: number,
): Promise<{ readonly verdict: Verdict; readonly row: Row }> => {
  const watchers = await startWatchers(world, n);
  await prepare?.(world);
  let turns: Turns = { startMs: 0, injectMs: 0, undoneMs: 0, endMs: 0 };
  try {
    await load.during(async () => {
      const startMs = performance.now();
      await pause(BEFORE_MS);
      await watchers.revokeAndBlock();
      const injectMs = performance.now();
      const undo = await inject(world);
      if (undo !== undefined) {
        await pause(FAULT_MS);
        await undo();
      }
      const undoneMs = performance.now();
      await pause(AFTER_MS);
      turns = { startMs, injectMs, undoneMs, endMs: performance.now() };
    });
  } catch (error) {
    // They would keep the process alive.
    await watchers.stop();
    throw error;
  }
  const watched = await watchers.stop();
  const { exchanges } = load.history;
  const verdict = await judge(name, load.history, turns, world.pool, watched);
  return {
    verdict,
    row: { title, turns, exchanges: exchanges.filter(({ startMs }) => startMs >= turns.startMs) },
  };
};

const HEADER = [
  "fault",
  "requests",
  "failed",
  "lost",
  "doubled",
  "oversold",
  "back after",
  "p99 before/during/after",
];

const cellsOf = ({
  fault,
  requests,
  failed,
  lost,
  doubled,
  oversold,
  recoveryMs,
  p99Ms,
}: Verdict): string[] => [
  fault,
  ...[requests, failed, lost, doubled, oversold].map(String),
  `${(recoveryMs / 1_000).toFixed(1)} s`,
  `${p99Ms.join(" / ")} ms`,
];

const printRow = (cells: readonly string[]): void => {
  const widths = [20, 9, 7, 5, 8, 9, 11, 24];
  const padded = cells.map((cell, index) =>
    (index === 0 ? cell.padEnd : cell.padStart).call(cell, widths[index] ?? 0),
  );
  process.stdout.write(`${padded.join(" ")}\n`);
};

const run = async (): Promise<number> => {
  const { faults, isList, isJson } = readArguments();
  if (isList) {
    for (const { name, title } of FAULTS) process.stdout.write(`${name.padEnd(20)} ${title}\n`);
    return 0;
  }
  const cleanups = new CleanupStack();
  try {
    const world = await startWorld(cleanups);
    const load = await startLoad(world);
    const verdicts: Verdict[] = [];
    const rows: Row[] = [];
    if (!isJson) printRow(HEADER);
    for (const [n, fault] of faults.entries()) {
      const { verdict, row } = await runFault(world, load, fault, n);
      verdicts.push(verdict);
      rows.push(row);
      if (isJson) continue;
      printRow(cellsOf(verdict));
      const failures = Object.entries(verdict.failures).map(([what, count]) => `${count} × ${what}`);
      if (failures.length > 0) process.stdout.write(`  failed: ${failures.join(", ")}\n`);
      for (const line of verdict.broken) process.stdout.write(`  ! ${line}\n`);
    }
    await mkdir(join(projectFolder, "dist"), { recursive: true });
    await writeFile(join(projectFolder, "dist/drill.svg"), drawTimeline(rows));
    const kept = verdicts.filter(({ broken }) => broken.length === 0).length;
    process.stdout.write(
      isJson
        ? `${JSON.stringify({ verdicts }, undefined, 2)}\n`
        : `${kept} of ${verdicts.length} drills kept every promise\n`,
    );
    return kept === verdicts.length ? 0 : 1;
  } finally {
    await cleanups.runAll();
  }
};

run().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof LocalError ? 1 : 2;
  },
);
