/**
 * `npm run drill`: breaks a running system under load, and compares the responses that its clients got with its database. Exits
 * with 1 if a promise was broken, with 2 for wrong arguments.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { LocalError } from "../../src/local/local-error.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { seededRandom } from "../resilience/concurrency-limit/support/random.ts";
import { type Choice, readChoice } from "./choice.ts";
import { type Load, startLoad } from "./clients.ts";
import { FAULTS, type Fault } from "./faults.ts";
import { type Arrivals, awaitEvents, type Caused } from "./siem.ts";
import { drawTimeline, type Row } from "./timeline.ts";
import { judge, type Turns, type Verdict } from "./verdict.ts";
import { startWatchers } from "./watchers.ts";
import { startWorld, type World } from "./world.ts";

const BEFORE_MS = 6_000;
const FAULT_MS = 5_000;
/** Longer than a revocation may take. */
const AFTER_MS = 11_000;

/** Longer than the edge holds security events back, milliseconds: an isolate that ends loses them. */
const EVENT_WINDOW_MS = 11_000;

const runFault = async (
  world: World,
  load: Load,
  { name, title, endsIsolate, prepare, inject }: Fault,
  n: number,
): Promise<{ readonly verdict: Verdict; readonly row: Row; readonly caused: readonly Caused[] }> => {
  if (endsIsolate === true) await pause(EVENT_WINDOW_MS);
  const watchers = await startWatchers(world, name, n);
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
  await watchers.stop();
  const { caused, ...watched } = watchers.judge(turns);
  const { exchanges } = load.history;
  const verdict = await judge(name, load.history, turns, world.pool, watched);
  return {
    verdict,
    caused: endsIsolate === true ? [] : caused,
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
  "stale up to",
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
  stalestMs,
}: Verdict): string[] => [
  fault,
  ...[requests, failed, lost, doubled, oversold].map(String),
  `${(recoveryMs / 1_000).toFixed(1)} s`,
  `${p99Ms.join(" / ")} ms`,
  `${(stalestMs / 1_000).toFixed(1)} s`,
];

const printRow = (cells: readonly string[]): void => {
  const widths = [20, 9, 7, 5, 8, 9, 11, 24, 12];
  const padded = cells.map((cell, index) =>
    (index === 0 ? cell.padEnd : cell.padStart).call(cell, widths[index] ?? 0),
  );
  process.stdout.write(`${padded.join(" ")}\n`);
};

const printVerdict = (verdict: Verdict): void => {
  printRow(cellsOf(verdict));
  const failures = Object.entries(verdict.failures).map(([what, count]) => `${count} × ${what}`);
  if (failures.length > 0) process.stdout.write(`  failed: ${failures.join(", ")}\n`);
  for (const line of verdict.broken) process.stdout.write(`  ! ${line}\n`);
};

const printSummary = (verdicts: readonly Verdict[], { expected, arrived, missing }: Arrivals): void => {
  for (const line of missing) process.stdout.write(`! ${line}\n`);
  const kept = verdicts.filter(({ broken }) => broken.length === 0).length;
  process.stdout.write(`${arrived} of ${expected} security events have reached the SIEM\n`);
  process.stdout.write(`${kept} of ${verdicts.length} drills kept every promise\n`);
};

const drill = async ({ faults, seed, isJson }: Choice, cleanups: CleanupStack): Promise<number> => {
  const random = seededRandom(seed);
  const world = await startWorld(cleanups, random);
  const load = await startLoad(world, random);
  const verdicts: Verdict[] = [];
  const rows: Row[] = [];
  const allCaused: Caused[] = [];
  if (!isJson) {
    process.stdout.write(`seed ${seed}\n`);
    printRow(HEADER);
  }
  let n = 0;
  for (const fault of faults) {
    const { verdict, row, caused } = await runFault(world, load, fault, n);
    n += 1;
    verdicts.push(verdict);
    rows.push(row);
    allCaused.push(...caused);
    if (!isJson) printVerdict(verdict);
  }
  const arrivals = await awaitEvents(world, allCaused);
  await mkdir(join(projectFolder, "dist"), { recursive: true });
  await writeFile(join(projectFolder, "dist/drill.svg"), drawTimeline(rows));
  if (isJson) process.stdout.write(`${JSON.stringify({ seed, verdicts, events: arrivals }, undefined, 2)}\n`);
  else printSummary(verdicts, arrivals);
  const isKept = verdicts.every(({ broken }) => broken.length === 0) && arrivals.missing.length === 0;
  return isKept ? 0 : 1;
};

const run = async (): Promise<number> => {
  const choice = readChoice(process.argv.slice(2));
  if (choice.isList) {
    for (const { name, title } of FAULTS) process.stdout.write(`${name.padEnd(20)} ${title}\n`);
    return 0;
  }
  const cleanups = new CleanupStack();
  try {
    return await drill(choice, cleanups);
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
