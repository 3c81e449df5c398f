/**
 * The measurement itself: every cell in rounds, each round from another one on. After a turn the server is left alone for a
 * moment, and what it does then counts: what is sent to the collector is sent behind the answers.
 */
import { setTimeout as pause } from "node:timers/promises";
import { readCpuTime } from "../support/cpu-time.ts";
import type { LoadGenerator } from "../support/load-generator.ts";
import type { TurnResult } from "../support/load-turn.ts";
import type { RequestBatch } from "../support/request-batch.ts";
import { turnOrder } from "../support/turn-order.ts";
import { watchOthers } from "./other-work.ts";

export interface Plan {
  readonly rounds: number;
  readonly connections: number;
  /** Each cell's first turn, which is not counted. */
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Without load, behind each turn: a little more than what is to be sent waits for more. */
  readonly drainMs: number;
}

export interface Cell {
  readonly id: string;
  readonly title: string;
  readonly process: { readonly port: number; readonly pid: number };
  /** Requests, ready to be sent. @param count how many are needed at least, where they cannot be repeated */
  requests(count: number): RequestBatch | Promise<RequestBatch>;
}

export interface Measurement {
  readonly round: number;
  readonly cell: string;
  readonly result: TurnResult;
  /** Of a processor's time, a request; undefined where the system does not tell. */
  readonly cpuUs: number | undefined;
  /** The share of a core that the server had under load; undefined where the system does not tell. */
  readonly share: number | undefined;
  /** The share of all cores that others had meanwhile; undefined where the system does not tell. */
  readonly othersShare: number | undefined;
}

export interface Measured {
  readonly measurements: readonly Measurement[];
  /** How many requests each cell has answered, by its id: in all its turns, those that do not count too. */
  readonly answered: ReadonlyMap<string, number>;
}

export interface Measuring {
  readonly cells: readonly Cell[];
  readonly load: LoadGenerator;
  readonly plan: Plan;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

/** Before the first turn nobody knows; a batch that is too small ends the warm-up early, no more. */
const ASSUMED_PER_SECOND = 5_000;
/** So much faster than before a turn may be until its requests run out: then it is shorter, and what is told of it holds. */
const HEADROOM = 1.5;
/** A turn in which others have had more of the machine is made again, */
const MOST_OTHERS_SHARE = 0.1;
/** so often at most: of several the quietest counts. */
const MOST_TRIES = 3;

/** @throws Error where anybody answers with an error, naming it */
export const measure = async ({ cells, load, plan, signal, onProgress }: Measuring): Promise<Measured> => {
  const fastest = new Map<string, number>();
  const answered = new Map<string, number>();

  const turn = async (cell: Cell, measureMs: number) => {
    signal.throwIfAborted();
    const perSecond = (fastest.get(cell.id) ?? ASSUMED_PER_SECOND) * HEADROOM;
    const requests = await cell.requests(Math.ceil((perSecond * measureMs) / 1_000));
    const { port, pid } = cell.process;
    const others = await watchOthers();
    const before = await readCpuTime(pid);
    const result = await load.run({ port, requests, connections: plan.connections, settleMs: 0, measureMs });
    const loaded = await readCpuTime(pid);
    const othersShare = await others();
    if (result.failures > 0)
      throw new Error(`${cell.title} failed ${result.failures} times: ${result.firstFailure}`);
    await pause(plan.drainMs);
    const drained = await readCpuTime(pid);
    fastest.set(cell.id, Math.max(fastest.get(cell.id) ?? 0, result.requestsPerSecond));
    // The last ones' answers, one a connection, come when the time is over.
    const requestCount = result.requests + plan.connections;
    answered.set(cell.id, (answered.get(cell.id) ?? 0) + requestCount);
    return {
      result,
      cpuUs: before && drained && (1_000 * (drained.cpuMs - before.cpuMs)) / requestCount,
      share: before && loaded && (loaded.cpuMs - before.cpuMs) / (loaded.atMs - before.atMs),
      othersShare,
    };
  };

  const quietTurn = async (cell: Cell) => {
    let quietest = await turn(cell, plan.measureMs);
    for (let made = 1; made < MOST_TRIES && (quietest.othersShare ?? 0) > MOST_OTHERS_SHARE; made += 1) {
      const next = await turn(cell, plan.measureMs);
      if ((next.othersShare ?? 0) < (quietest.othersShare ?? 0)) quietest = next;
    }
    return quietest;
  };

  onProgress("warming up …");
  for (const cell of cells) await turn(cell, plan.warmUpMs);
  const measurements: Measurement[] = [];
  for (let round = 0; round < plan.rounds; round += 1) {
    onProgress(`round ${round + 1} of ${plan.rounds} …`);
    for (const cell of turnOrder(cells, round)) {
      measurements.push({ round, cell: cell.id, ...(await quietTurn(cell)) });
    }
  }
  return { measurements, answered };
};
