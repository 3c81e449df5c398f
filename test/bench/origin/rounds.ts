/** The measurement itself: every contestant in every cell, in rounds, each round in another order. */
import type { LoadGenerator } from "../support/load-generator.ts";
import type { TurnResult } from "../support/load-turn.ts";
import { turnOrder } from "../support/turn-order.ts";
import type { Contestant, ContestantId } from "./contestant.ts";
import { CELLS, type Cell } from "./workload.ts";

export interface Plan {
  readonly rounds: number;
  readonly connections: number;
  /** Each contestant's first turn in a cell, which is not counted. */
  readonly warmUpMs: number;
  readonly settleMs: number;
  readonly measureMs: number;
}

export const FULL: Plan = { rounds: 7, connections: 32, warmUpMs: 2_000, settleMs: 300, measureMs: 2_000 };
export const QUICK: Plan = { rounds: 3, connections: 32, warmUpMs: 400, settleMs: 100, measureMs: 400 };

export interface Measurement {
  readonly round: number;
  readonly cell: Cell;
  readonly contestant: ContestantId;
  readonly result: TurnResult;
}

/** Before the first turn nobody knows; a batch that is too small ends the warm-up early, no more. */
const ASSUMED_PER_SECOND = 10_000;
/** So much faster than before a turn may be until its requests run out. */
const HEADROOM = 1.5;

export interface Measuring {
  readonly contestants: readonly Contestant[];
  readonly load: LoadGenerator;
  readonly plan: Plan;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

/** @throws Error where anybody answers with an error, naming it */
export const measure = async ({
  contestants,
  load,
  plan,
  signal,
  onProgress,
}: Measuring): Promise<Measurement[]> => {
  const fastest = new Map<string, number>();

  const turn = async (contestant: Contestant, cell: Cell, settleMs: number, measureMs: number) => {
    signal.throwIfAborted();
    const key = `${contestant.id} ${cell}`;
    const perSecond = (fastest.get(key) ?? ASSUMED_PER_SECOND / HEADROOM) * HEADROOM;
    const count = Math.ceil((perSecond * (settleMs + measureMs)) / 1000);
    const requests = await contestant.requests(cell, count);
    const { port, name, tail } = contestant.process;
    const result = await load.run({ port, requests, connections: plan.connections, settleMs, measureMs });
    if (result.failures > 0) {
      const told = tail().join("\n");
      throw new Error(
        `${name} failed ${result.failures} times (${cell}): ${result.firstFailure}${told && `\n${told}`}`,
      );
    }
    fastest.set(key, Math.max(fastest.get(key) ?? 0, result.requestsPerSecond));
    return result;
  };

  const eachTurn = async (
    round: number,
    take: (contestant: Contestant, cell: Cell) => Promise<void>,
  ): Promise<void> => {
    for (const cell of CELLS) {
      for (const contestant of turnOrder(contestants, round)) {
        if (contestant.cells.includes(cell)) await take(contestant, cell);
      }
    }
  };

  onProgress("warming up …");
  await eachTurn(0, async (contestant, cell) => void (await turn(contestant, cell, 0, plan.warmUpMs)));
  const measurements: Measurement[] = [];
  for (let round = 0; round < plan.rounds; round += 1) {
    onProgress(`round ${round + 1} of ${plan.rounds} …`);
    await eachTurn(round, async (contestant, cell) => {
      const result = await turn(contestant, cell, plan.settleMs, plan.measureMs);
      measurements.push({ round, cell, contestant: contestant.id, result });
    });
  }
  return measurements;
};
