/** The measurement itself: every scenario over its contestants, in rounds, taking turns. */

import { median } from "../support/statistics.ts";
import { turnOrder } from "../support/turn-order.ts";
import type { Contestant } from "./contestant.ts";
import type { Plan } from "./plan.ts";
import { runTurn, type Stage } from "./turn.ts";

/** What a scenario has shown of a contestant. */
export interface Cell {
  /** Of the plan's entry. */
  readonly entry: string;
  readonly contestant: Contestant;
  /** By the titles of the columns: medians over the rounds, of what is counted the sum. */
  readonly values: Readonly<Record<string, number>>;
}

interface Reading {
  readonly entry: string;
  readonly contestant: Contestant;
  readonly values: Readonly<Record<string, number>>;
}

const isCount = (column: string): boolean => /^(?:errors|sent twice)(?! %)/.test(column);

const brief = (values: Readonly<Record<string, number>>): string =>
  Object.entries(values)
    .map(([column, value]) => `${column} ${Math.round(value * 1_000) / 1_000}`)
    .join(", ");

const combined = (readings: readonly Reading[]): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.keys(readings[0]?.values ?? {}).map((column) => {
      const values = readings.map((reading) => reading.values[column] ?? Number.NaN);
      const value = isCount(column) ? values.reduce((sum, each) => sum + each, 0) : median(values);
      return [column, value];
    }),
  );

export const measureCells = async (
  plan: Plan,
  contestants: readonly Contestant[],
  stage: Stage,
  onProgress: (line: string) => void,
): Promise<Cell[]> => {
  const entries = Object.entries(plan);
  const readings: Reading[] = [];
  const rounds = Math.max(...entries.map(([, entry]) => entry.rounds));
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, [entry, { scenario, rounds: wanted, isFor }]] of entries.entries()) {
      if (round >= wanted) continue;
      onProgress(wanted === 1 ? `${scenario.title} …` : `${scenario.title}, round ${round + 1} …`);
      for (const contestant of turnOrder(contestants.filter(isFor), round + index)) {
        stage.signal.throwIfAborted();
        const observation = await runTurn(contestant, scenario, stage);
        const values = { ...scenario.read(observation), "idle %": 100 * observation.idleShare };
        onProgress(`  ${contestant.name}: ${brief(values)}`);
        readings.push({ entry, contestant, values });
      }
    }
  }
  return entries.flatMap(([entry, { isFor }]) =>
    contestants.filter(isFor).map((contestant) => ({
      entry,
      contestant,
      values: combined(readings.filter((each) => each.entry === entry && each.contestant === contestant)),
    })),
  );
};
