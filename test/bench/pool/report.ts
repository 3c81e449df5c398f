/** What the benchmark prints. */
import { availableParallelism, cpus } from "node:os";
import { textTable } from "../support/table.ts";
import type { Cell } from "./cells.ts";
import { goalRows } from "./figures.ts";
import { type IsolateCell, p99Ratio } from "./isolate-cells.ts";
import { PER_SECOND } from "./load.ts";
import { CONNECT_TIMEOUT_MS, TRY_TIMEOUT_MS } from "./nginx.ts";
import type { Plan } from "./plan.ts";
import { TIMEOUT_MS } from "./routes.ts";

const DECIMALS: readonly (readonly [RegExp, number])[] = [
  [/^idle/, 0],
  [/%$/, 2],
  [/share/, 3],
  [/÷|when calm|a request/, 2],
  [/^p\d|p99/, 1],
];

const decimals = (column: string): number => DECIMALS.find(([pattern]) => pattern.test(column))?.[1] ?? 0;

const shown = (column: string, value: number): string =>
  Number.isFinite(value) ? value.toFixed(decimals(column)) : "–";

const scenarioTable = (title: string, cells: readonly Cell[]): string => {
  const columns = Object.keys(cells[0]?.values ?? {});
  return textTable(
    [title, ...columns],
    cells.map(({ contestant, values }) => [
      contestant.name,
      ...columns.map((column) => shown(column, values[column] ?? Number.NaN)),
    ]),
  );
};

const isolateTable = (cells: readonly IsolateCell[]): string =>
  textTable(
    ["isolates, simulated", "isolates", "p50 ms", "p99 ms", "p99 ÷ one's", "errors", "slow one's share"],
    cells.map(({ chooser, isolates, result }) => [
      chooser,
      String(isolates),
      result.p50Ms.toFixed(1),
      result.p99Ms.toFixed(1),
      isolates === 1 ? "" : p99Ratio(cells, chooser).toFixed(2),
      String(result.errors),
      result.slowShare.toFixed(3),
    ]),
  );

const conditions = (versions: readonly string[]): string[] => [
  `${PER_SECOND} requests/s, Poisson arrivals, latency of 2xx answers from when a request was due; errors: all else`,
  "slow: counted from a while after the fault on (1.5 s; 0.9 s in a short run), hole, midbody and posts: from the fault on",
  "every turn starts its contestant anew, gives it less to do for a moment, and shares no time with another one",
  "replicas: 2 ms and 2 ms more in the mean, exponentially; health checks see what requests see, and are not counted",
  `nginx: one worker, 256 kept connections, max_fails=2 fail_timeout=2s, 3 tries of ${TRY_TIMEOUT_MS} ms (${CONNECT_TIMEOUT_MS} ms to connect) within ${TIMEOUT_MS} ms`,
  `HAProxy: one thread, http-reuse always, 3 retries of ${TRY_TIMEOUT_MS} ms (${CONNECT_TIMEOUT_MS} ms to connect), checks each 500 ms and observe layer7`,
  `Breakwater: one isolate in workerd itself, its settings as they are when nothing is set, a deadline of ${TIMEOUT_MS} ms`,
  "POSTs without a key are repeated by nobody; those with one may be, by each in its own way",
  "simulated: 2,000 requests/s over 4 queues of 5 slots, 5 ms (one: 200 ms) of exponential service; a minute is not counted",
  "idle: of the whole machine; where hardly any of it was, or requests were sent late, the machine was measured: an edge\n  that gets less of a core than it needs falls behind its deadline first, as it needs the most",
  ...versions,
  `Node ${process.version} on ${availableParallelism()} × ${cpus()[0]?.model ?? "an unknown processor"}`,
];

export interface Outcome {
  readonly plan: Plan;
  readonly cells: readonly Cell[];
  readonly isolateCells: readonly IsolateCell[];
  readonly figures: Readonly<Record<string, number>>;
  readonly versions: readonly string[];
}

export const reportOf = ({ plan, cells, isolateCells, figures, versions }: Outcome): string =>
  [
    ...Object.entries(plan).map(([entry, { scenario }]) =>
      scenarioTable(
        scenario.title,
        cells.filter((cell) => cell.entry === entry),
      ),
    ),
    isolateTable(isolateCells),
    textTable(["goal", "reached", "goal", ""], goalRows(figures)),
    conditions(versions).join("\n"),
  ].join("\n\n");
