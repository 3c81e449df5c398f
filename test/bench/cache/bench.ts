/** `npm run bench cache`: what many readers of one key cost the database, and what a leader's death costs them. */
import { availableParallelism, cpus } from "node:os";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { sampleProductId } from "../../../src/origin/api/sample-data.ts";
import type { Bench } from "../support/bench.ts";
import { textTable } from "../support/table.ts";
import { measureLeaderDeath } from "./leader-death.ts";
import { measureStaleKeys, type StaleCell } from "./stale-keys.ts";
import { startCacheSystem } from "./system.ts";

const KEYS = 20;
const QUICK_KEYS = 5;
/** Behind those of every cell. */
const UNTOUCHED = [901, 902] as const;

/** The system as it is deployed. */
const AS_DEPLOYED = "Breakwater: the edge before two origins";

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const verdict = (isMet: boolean): string => (isMet ? "met" : "MISSED");

const staleTable = (cells: readonly StaleCell[]): string =>
  textTable(
    ["100 readers of one stale key", "reads a key", "most"],
    cells.map(({ title, reads }) => [title, mean(reads).toFixed(2), String(Math.max(...reads))]),
  );

export const benchCache: Bench = async ({ isQuick, signal, onProgress }) => {
  const stops = new CleanupStack();
  try {
    const system = await startCacheSystem(stops, signal, onProgress);
    onProgress("a hundred readers of one stale key …");
    const stale = await measureStaleKeys(system, sampleProductId, isQuick ? QUICK_KEYS : KEYS, signal);
    onProgress("the death of the one who makes the answer …");
    const deaths = await measureLeaderDeath(system, UNTOUCHED);
    const deployed = stale.find(({ title }) => title === AS_DEPLOYED);
    const figures = {
      reads_per_stale_key: mean(deployed?.reads ?? [Number.NaN]),
      leader_death_answer_ms: Math.round(Math.max(...deaths.map(({ answerMs }) => answerMs))),
    };
    const report = [
      staleTable(stale),
      textTable(
        ["the leader dies", "ms until the last answer"],
        deaths.map(({ title, answerMs }) => [title, answerMs.toFixed(0)]),
      ),
      textTable(
        ["goal", "reached", "goal", ""],
        [
          [
            "reads_per_stale_key",
            figures.reads_per_stale_key.toFixed(2),
            "= 1",
            verdict(figures.reads_per_stale_key === 1),
          ],
          [
            "leader_death_answer_ms",
            String(figures.leader_death_answer_ms),
            "≤ 2000",
            verdict(figures.leader_death_answer_ms <= 2_000),
          ],
        ],
      ),
      [
        system.description,
        `Node ${process.version} on ${availableParallelism()} × ${cpus()[0]?.model ?? "an unknown processor"}`,
      ].join("\n"),
    ].join("\n\n");
    return { figures, report };
  } finally {
    await stops.runAll();
  }
};
