/** `npm run bench NAME [-- --quick --json]`. With `--json`, standard output is one JSON object and nothing else. */
import { parseArgs } from "node:util";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { benchBreaker } from "./breaker/bench.ts";
import { benchCache } from "./cache/bench.ts";
import { benchEdge } from "./edge/bench.ts";
import { benchLimiter } from "./limiter/bench.ts";
import { benchOrigin } from "./origin/bench.ts";
import { benchOverload } from "./overload/bench.ts";
import { benchPool } from "./pool/bench.ts";
import type { Bench } from "./support/bench.ts";
import { benchTelemetry } from "./telemetry/bench.ts";

const benches: Readonly<Record<string, Bench>> = {
  breaker: benchBreaker,
  cache: benchCache,
  edge: benchEdge,
  limiter: benchLimiter,
  origin: benchOrigin,
  overload: benchOverload,
  pool: benchPool,
  telemetry: benchTelemetry,
};

const USAGE = `npm run bench NAME [-- --quick --json], where NAME is one of: ${Object.keys(benches).join(", ")}`;

const tell = (line: string): void => void process.stderr.write(`${line}\n`);

const readArguments = () => {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
    });
    const [name = "", ...others] = positionals;
    const bench = Object.hasOwn(benches, name) && others.length === 0 ? benches[name] : undefined;
    return bench && { bench, isQuick: values.quick, isJson: values.json };
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error));
    return undefined;
  }
};

const run = async (): Promise<number> => {
  const chosen = readArguments();
  if (chosen === undefined) {
    tell(USAGE);
    return 1;
  }
  const interruption = new AbortController();
  // Once only: a second Ctrl-C ends this process at once, and its children with it.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interruption.abort());
  const stops = new CleanupStack();
  try {
    const { isQuick, isJson } = chosen;
    const { figures, report } = await chosen.bench({
      isQuick,
      signal: interruption.signal,
      stops,
      onProgress: tell,
    });
    process.stdout.write(isJson ? `${JSON.stringify(figures)}\n` : `${report}\n`);
    if (isJson) tell(report);
    return 0;
  } catch (error) {
    if (interruption.signal.aborted) return 130;
    tell(`✗ ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    await stops.runAll();
  }
};

process.exitCode = await run();
