/** `npm run bench cache`: the database reads of many readers of one key, and the delay by a leader's death. */
import type { Bench } from "../support/bench.ts";
import { goalTable, rounded } from "../support/comparison.ts";
import { machineLine } from "../support/machine.ts";
import { textTable } from "../support/table.ts";
import { measureLeaderDeath } from "./leader-death.ts";
import { measureStaleKeys, type StaleCell } from "./stale-keys.ts";
import { startCacheSystem } from "./system.ts";

const KEYS = 20;
const QUICK_KEYS = 5;
/** Products that no cell uses. */
const UNTOUCHED = [901, 902] as const;

/** The system as it is deployed. */
const AS_DEPLOYED = "Breakwater: the edge before two origins";

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const GOALS = {
  reads_per_stale_key: { atLeast: 1, atMost: 1 },
  leader_death_answer_ms: { atMost: 2_000 },
};

const staleTable = (cells: readonly StaleCell[]): string =>
  textTable(
    ["100 readers of one stale key", "reads a key", "most"],
    cells.map(({ title, reads }) => [title, mean(reads).toFixed(2), String(Math.max(...reads))]),
  );

export const benchCache: Bench = async (options) => {
  const { isQuick, signal, onProgress } = options;
  const system = await startCacheSystem(options);
  onProgress("a hundred readers of one stale key …");
  const stale = await measureStaleKeys(system, isQuick ? QUICK_KEYS : KEYS, signal);
  onProgress("the death of a leader …");
  const deaths = await measureLeaderDeath(system, UNTOUCHED);
  const deployed = stale.find(({ title }) => title === AS_DEPLOYED);
  const figures = {
    reads_per_stale_key: rounded(mean(deployed?.reads ?? [Number.NaN])),
    leader_death_answer_ms: Math.round(Math.max(...deaths.map(({ answerMs }) => answerMs))),
  };
  const report = [
    staleTable(stale),
    textTable(
      ["the leader dies", "ms until the last response"],
      deaths.map(({ title, answerMs }) => [title, answerMs.toFixed(0)]),
    ),
    goalTable(figures, GOALS),
    [system.description, machineLine()].join("\n"),
  ].join("\n\n");
  return { figures, report };
};
