/** The measurement itself: every cell in rounds, each round from another one on. */
import { setTimeout as pause } from "node:timers/promises";
import { type CpuReading, cpuShare, readCpuTime } from "../support/cpu-time.ts";
import type { LoadGenerator } from "../support/load-generator.ts";
import type { TurnResult } from "../support/load-turn.ts";
import type { ProgramProcess } from "../support/program-process.ts";
import { turnOrder } from "../support/turn-order.ts";
import type { Cell, CellId } from "./cells.ts";

export interface Plan {
  readonly rounds: number;
  readonly connections: number;
  /** Each cell's first turn, which is not counted. */
  readonly warmUpMs: number;
  /** Until all keys are known again, whatever has happened since the turn before. */
  readonly settleMs: number;
  readonly measureMs: number;
}

/** Many short turns: what another program does to the machine meanwhile, it does to a round, not to one cell. */
export const FULL: Plan = { rounds: 21, connections: 64, warmUpMs: 3_000, settleMs: 400, measureMs: 1_000 };
export const QUICK: Plan = { rounds: 7, connections: 64, warmUpMs: 1_500, settleMs: 300, measureMs: 600 };

export interface MeasuredCell extends Cell {
  readonly process: ProgramProcess;
}

export interface Measurement {
  readonly round: number;
  readonly cell: CellId;
  readonly result: TurnResult;
  /** Of one core, the server's; undefined where the system does not tell. */
  readonly share: number | undefined;
}

export interface Measuring {
  readonly cells: readonly MeasuredCell[];
  readonly load: LoadGenerator;
  readonly plan: Plan;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

/** Before the first turn nobody knows; a batch that is too small ends the warm-up early, no more. */
const ASSUMED_PER_SECOND = 5_000;
/** So much faster than before a turn may be until its requests run out. */
const HEADROOM = 1.5;
/** The processor's time is read so long before the load ends, that it never counts what comes after it. */
const READ_AHEAD_MS = 100;
/** What is shorter has run out of requests. */
const LEAST_SHARE_MEASURED = 0.95;
/** So often it is made again then. */
const MOST_TRIES = 3;

/** The share of a core that it has under load. */
const watchShare = async (pid: number, settleMs: number, measureMs: number): Promise<number | undefined> => {
  await pause(settleMs);
  const before: CpuReading | undefined = await readCpuTime(pid);
  await pause(measureMs - READ_AHEAD_MS);
  const after = await readCpuTime(pid);
  return before === undefined || after === undefined ? undefined : cpuShare(before, after);
};

/** Of a processor's time, microseconds a request; undefined where the system does not tell. */
export const cpuMicroseconds = ({ share, result }: Measurement): number | undefined =>
  share === undefined ? undefined : (share * 1_000_000) / result.requestsPerSecond;

/** @throws Error where anybody answers with an error, naming it */
export const measure = async ({
  cells,
  load,
  plan,
  signal,
  onProgress,
}: Measuring): Promise<Measurement[]> => {
  const fastest = new Map<CellId, number>();

  const turn = async (cell: MeasuredCell, settleMs: number, measureMs: number) => {
    signal.throwIfAborted();
    const perSecond = (fastest.get(cell.id) ?? ASSUMED_PER_SECOND) * HEADROOM;
    const requests = cell.requests(Math.ceil((perSecond * (settleMs + measureMs)) / 1_000));
    const { port, pid } = cell.process;
    const turning = load.run({ port, requests, connections: plan.connections, settleMs, measureMs });
    const [result, share] = await Promise.all([turning, watchShare(pid, settleMs, measureMs)]);
    if (result.failures > 0)
      throw new Error(`${cell.title} failed ${result.failures} times: ${result.firstFailure}`);
    fastest.set(cell.id, Math.max(fastest.get(cell.id) ?? 0, result.requestsPerSecond));
    return { result, share };
  };

  /** A machine that is suddenly faster is known to be the next time. */
  const wholeTurn = async (cell: MeasuredCell) => {
    for (let tries = 1; ; tries += 1) {
      const made = await turn(cell, plan.settleMs, plan.measureMs);
      const measuredMs = (1_000 * made.result.requests) / made.result.requestsPerSecond;
      if (measuredMs >= LEAST_SHARE_MEASURED * plan.measureMs) return made;
      if (tries === MOST_TRIES)
        throw new Error(`${cell.title}: its requests ran out after ${measuredMs.toFixed(0)} ms`);
    }
  };

  onProgress("warming up …");
  for (const cell of cells) await turn(cell, 0, plan.warmUpMs);
  const measurements: Measurement[] = [];
  for (let round = 0; round < plan.rounds; round += 1) {
    onProgress(`round ${round + 1} of ${plan.rounds} …`);
    for (const cell of turnOrder(cells, round)) {
      measurements.push({ round, cell: cell.id, ...(await wholeTurn(cell)) });
    }
  }
  return measurements;
};
