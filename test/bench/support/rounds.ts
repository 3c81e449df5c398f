/** The measurement: every cell in each round, in changing order, and the tables of the results. */
import { setTimeout as pause } from "node:timers/promises";
import type { BenchOptions } from "./bench.ts";
import { comparedByRound, type Measurement, range } from "./comparison.ts";
import { type LoadGenerator, loadResult } from "./load-generator.ts";
import { cpuShare, readCpuTime } from "./machine.ts";
import type { RequestBatch } from "./request-batch.ts";
import type { ServerProcess } from "./server-process.ts";
import { median } from "./statistics.ts";
import { textTable } from "./table.ts";
import { turnOrder } from "./turn-order.ts";

export interface Plan {
  readonly rounds: number;
  readonly connections: number;
  /** The cell's first turn, which is not counted. */
  readonly warmUpMs: number;
  /** Under load, but not measured. */
  readonly settleMs: number;
  readonly measureMs: number;
  /** Without load, after the turn: processor time counts, because telemetry is sent after the responses. */
  readonly drainMs: number;
}

/** A server, and the requests sent to it. */
export interface Cell {
  readonly id: string;
  readonly title: string;
  readonly process: ServerProcess;
  /** Of every response. @default any 2xx */
  readonly status?: number;
  /** Whether the load generator stays awake. @default false */
  readonly staysAwake?: boolean;
  /** Requests, ready to be sent. @param count the minimum, for requests that cannot be repeated */
  requests(count: number): RequestBatch | Promise<RequestBatch>;
}

export interface Measuring {
  /** The cells of a group follow each other in a round. */
  readonly groups: readonly (readonly Cell[])[];
  readonly load: LoadGenerator;
  readonly plan: Plan;
}

/** For the first batch. One that is too small ends the warm-up early. */
const ASSUMED_PER_SECOND = 7_000;
/** A server that is faster than before by more than this runs out of requests, and its turn is shorter. */
const HEADROOM = 1.5;

/** @throws Error that names the cell, if a request failed */
export const measure = async (
  { groups, load, plan }: Measuring,
  { signal, onProgress }: BenchOptions,
): Promise<readonly Measurement[]> => {
  const fastest = new Map<string, number>();

  const turn = async (
    { id, title, process, status, staysAwake = false, requests }: Cell,
    settleMs: number,
    measureMs: number,
  ) => {
    signal.throwIfAborted();
    const { port, pid, tail } = process;
    const lastsMs = settleMs + measureMs;
    const perSecond = (fastest.get(id) ?? ASSUMED_PER_SECOND) * HEADROOM;
    const batch = await requests(Math.ceil((perSecond * lastsMs) / 1_000));
    const before = await readCpuTime(pid);
    const trace = await load.run({
      port,
      requests: batch,
      connections: plan.connections,
      lastsMs,
      staysAwake,
    });
    const loaded = await readCpuTime(pid);
    const result = loadResult([title, ...tail()].join("\n"), trace, settleMs, status);
    if (plan.drainMs > 0) await pause(plan.drainMs, undefined, { signal });
    const drained = await readCpuTime(pid);
    fastest.set(id, Math.max(fastest.get(id) ?? 0, result.requestsPerSecond));
    return {
      ...result,
      cpuUs: before && drained && (1_000 * (drained.cpuMs - before.cpuMs)) / trace.status.length,
      share: before && loaded && cpuShare(before, loaded),
    };
  };

  onProgress("warming up …");
  for (const cell of groups.flat()) await turn(cell, 0, plan.warmUpMs);
  const measurements: Measurement[] = [];
  for (let round = 0; round < plan.rounds; round += 1) {
    onProgress(`round ${round + 1} of ${plan.rounds} …`);
    for (const cells of groups)
      for (const cell of turnOrder(cells, round)) {
        const result = await turn(cell, plan.settleMs, plan.measureMs);
        measurements.push({ round, cell: cell.id, ...result });
      }
  }
  return measurements;
};

/** A server with less of its core than this waited for the load generator or other work. */
const SATURATED_SHARE = 0.95;

const middle = (values: readonly (number | undefined)[], digits: number): string => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? "–" : median(known).toFixed(digits);
};

export type CellTitle = Pick<Cell, "id" | "title">;

const RATIOS = ["÷ base", "lowest – highest"];
const HEADER = ["requests/s", ...RATIOS, "p50 ms", "p99 ms", "CPU µs/request", ...RATIOS, "% of a core"];

/**
 * The measured cells: medians of the rounds, and ratios within a round.
 *
 * @param base the cell to which the ratios refer
 */
export const cellTable = (
  title: string,
  measurements: readonly Measurement[],
  cells: readonly CellTitle[],
  base: string,
): string =>
  textTable(
    [title, ...HEADER],
    cells.map((cell) => {
      const own = measurements.filter((each) => each.cell === cell.id);
      const column = (name: "requestsPerSecond" | "p50Ms" | "p99Ms" | "cpuUs", digits: number): string =>
        middle(
          own.map((each) => each[name]),
          digits,
        );
      const ratios = (of: "throughput" | "cpu"): string[] => {
        const values = comparedByRound(measurements, { cell: cell.id, base, of });
        return [middle(values, 2), range(values)];
      };
      const shares = own.map(({ share }) => share && 100 * share);
      return [
        cell.title,
        column("requestsPerSecond", 0),
        ...ratios("throughput"),
        column("p50Ms", 2),
        column("p99Ms", 2),
        column("cpuUs", 1),
        ...ratios("cpu"),
        middle(shares, 0),
      ];
    }),
  );

/** For the report: the cells whose requests/s are not all that they can do; their processor time per request holds. */
export const heldBack = (measurements: readonly Measurement[], cells: readonly CellTitle[]): string[] => {
  const held = cells.filter(({ id }) => {
    const shares = measurements.filter(({ cell }) => cell === id).map(({ share }) => share ?? 1);
    return shares.length > 0 && median(shares) < SATURATED_SHARE;
  });
  const titles = held.map(({ title }) => title).join("; ");
  return titles === ""
    ? []
    : [`less than ${100 * SATURATED_SHARE} % of a core, held back by load or other work: ${titles}`];
};

/** For the report. */
export const planLine = ({ rounds, settleMs, measureMs, drainMs, connections }: Plan): string =>
  `${rounds} rounds, ${settleMs} + ${measureMs} ms a turn${drainMs > 0 ? ` and ${drainMs} ms after it` : ""}, ${connections} connections; medians of the rounds, ratios within a round`;
