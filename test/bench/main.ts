/** `npm run bench NAME [-- --quick --json --check --profile CELL]`. With `--json`, standard output is one JSON object and nothing else. */
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { benchBreaker } from "./breaker/bench.ts";
import { benchCache } from "./cache/bench.ts";
import { benchEdge } from "./edge/bench.ts";
import { benchGuards } from "./guards/bench.ts";
import { benchHpa } from "./hpa/bench.ts";
import { benchLimiter } from "./limiter/bench.ts";
import { benchOrigin } from "./origin/bench.ts";
import { benchOverload } from "./overload/bench.ts";
import { benchPool } from "./pool/bench.ts";
import { bestOf, losses, readAccepted } from "./support/accepted.ts";
import type { Bench } from "./support/bench.ts";
import type { Figures } from "./support/comparison.ts";
import { watchIdle } from "./support/machine.ts";
import { benchTelemetry } from "./telemetry/bench.ts";

const benches: Readonly<Record<string, Bench>> = {
  breaker: benchBreaker,
  cache: benchCache,
  edge: benchEdge,
  guards: benchGuards,
  hpa: benchHpa,
  limiter: benchLimiter,
  origin: benchOrigin,
  overload: benchOverload,
  pool: benchPool,
  telemetry: benchTelemetry,
};

const USAGE = `npm run bench NAME [-- --quick --json --check --profile CELL], where NAME is one of: ${Object.keys(benches).join(", ")}
--check fails if three runs stay below the accepted figures (test/bench/figures.json), unless other work disturbs each
--profile is for edge and origin`;

const log = (line: string): void => void process.stderr.write(`${line}\n`);

const readArguments = () => {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        check: { type: "boolean", default: false },
        profile: { type: "string" },
      },
    });
    const [name = "", ...others] = positionals;
    const bench = Object.hasOwn(benches, name) && others.length === 0 ? benches[name] : undefined;
    const { quick, json, check, profile } = values;
    return bench && { name, bench, isQuick: quick, isJson: json, isCheck: check, profiled: profile };
  } catch (error) {
    log(error instanceof Error ? error.message : String(error));
    return undefined;
  }
};

/** Of a check: its best figures count, because other work on the machine only takes away from them. */
const MAX_RUNS = 3;
/** Before each run, the time for which other work is watched, milliseconds, and the share of the machine that it may take. */
const WATCH_MS = 2_000;
const MAX_OTHER_WORK = 0.2;

type Chosen = NonNullable<ReturnType<typeof readArguments>>;

const runOnce = async (
  { bench, isQuick, isJson, profiled }: Chosen,
  signal: AbortSignal,
): Promise<Figures> => {
  const stops = new CleanupStack();
  try {
    const { figures, report } = await bench({ isQuick, profiled, signal, stops, onProgress: log });
    process.stdout.write(isJson ? `${JSON.stringify(figures)}\n` : `${report}\n`);
    if (isJson) log(report);
    return figures;
  } finally {
    await stops.runAll();
  }
};

/** A run that fails has no figures; the next one may have. @throws the error of an interrupted run */
const failedRun = (error: unknown, signal: AbortSignal): Figures => {
  if (signal.aborted) throw error;
  log(`✗ ${error instanceof Error ? error.message : String(error)}`);
  return {};
};

/** @returns whether other work leaves the machine to the benchmark */
const isQuiet = async (signal: AbortSignal): Promise<boolean> => {
  const idle = watchIdle();
  await pause(WATCH_MS, undefined, { signal });
  const otherWork = 1 - idle();
  if (otherWork <= MAX_OTHER_WORK) return true;
  log(`other work takes ${Math.round(100 * otherWork)} % of this machine: the run proves no loss`);
  return false;
};

/** @returns the exit code: 1 if the figures are lost, unless other work disturbed every run */
const check = async (chosen: Chosen, signal: AbortSignal): Promise<number> => {
  const accepted = await readAccepted(chosen.name);
  const runs: Figures[] = [];
  let quietRuns = 0;
  for (;;) {
    if (await isQuiet(signal)) quietRuns += 1;
    runs.push(await runOnce(chosen, signal).catch((error: unknown) => failedRun(error, signal)));
    const lost = losses(bestOf(runs, accepted), accepted);
    for (const line of lost) log(`✗ ${line}`);
    if (lost.length === 0) return 0;
    if (runs.length === MAX_RUNS) return quietRuns === 0 ? 0 : 1;
  }
};

const run = async (): Promise<number> => {
  const chosen = readArguments();
  if (chosen === undefined) {
    log(USAGE);
    return 1;
  }
  const interruption = new AbortController();
  const { signal } = interruption;
  // Only once: a second Ctrl-C ends this process and its children immediately.
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => interruption.abort());
  try {
    if (chosen.isCheck) return await check(chosen, signal);
    await runOnce(chosen, signal);
    return 0;
  } catch (error) {
    if (signal.aborted) return 130;
    log(`✗ ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
};

process.exitCode = await run();
