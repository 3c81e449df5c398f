/**
 * The origin's request path against opponents: all servers up all the time, on the same database, with the
 * same number of connections to it; they take turns under load. What counts is the ratio within a round:
 * whatever else the machine does then, it does to both.
 */
import { availableParallelism, cpus } from "node:os";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import type { Bench } from "../support/bench.ts";
import { startLoadGenerator } from "../support/load-generator.ts";
import { startServices } from "../support/services.ts";
import { sentBatches } from "../support/span-sink.ts";
import { migrate, startBreakwater } from "./breakwater.ts";
import { type Contestant, DATABASE_CONNECTIONS } from "./contestant.ts";
import { figuresOf } from "./goals.ts";
import { PEERS, startPeers } from "./peers.ts";
import { insertProducts } from "./products.ts";
import { reportOf } from "./report.ts";
import { FULL, measure, type Plan, QUICK } from "./rounds.ts";
import { assertSameAnswers } from "./same-answers.ts";
import { CELLS } from "./workload.ts";

/** An opponent that is said to trace, but does not, would be too fast. */
const assertTraced = async (spanSinkUrl: string): Promise<string> => {
  // Breakwater's are shown and not asked for: it does not trace yet.
  const batches = { breakwater: 0, ...(await sentBatches(spanSinkUrl)) };
  for (const { id, title, instrumentations } of PEERS) {
    if (instrumentations !== undefined && !Object.hasOwn(batches, id))
      throw new Error(`${title} has exported no spans`);
  }
  return Object.entries(batches)
    .map(([id, count]) => `${id} ${count}`)
    .join(", ");
};

const conditionsOf = (plan: Plan, services: string, spans: string): string[] => [
  `${plan.rounds} rounds, ${plan.measureMs} ms a turn, ${plan.connections} connections; medians of the rounds`,
  `each server: one process, ${DATABASE_CONNECTIONS} connections to the database, its log to /dev/null`,
  services,
  `Node ${process.version} on ${availableParallelism()} × ${cpus()[0]?.model ?? "an unknown processor"}`,
  `batches of spans exported: ${spans}`,
];

export const benchOrigin: Bench = async ({ isQuick, signal, onProgress }) => {
  const plan = isQuick ? QUICK : FULL;
  const stops = new CleanupStack();
  try {
    onProgress("starting PostgreSQL and Redis …");
    const services = await startServices(signal, onProgress);
    stops.add(() => services.stop());
    onProgress(services.description);
    await migrate(services, signal);
    await insertProducts(services.databaseUrl);

    onProgress("starting the servers …");
    const contestants: Contestant[] = [];
    const add = (contestant: Contestant): void => {
      contestants.push(contestant);
      stops.add(() => contestant.process.stop());
    };
    await startPeers(services, signal, onProgress, add);
    add(await startBreakwater(services, signal));
    const load = startLoadGenerator();
    stops.add(() => load.close());

    await assertSameAnswers(contestants, CELLS);
    const measurements = await measure({ contestants, load, plan, signal, onProgress });
    const spans = await assertTraced(services.spanSinkUrl);
    return {
      figures: figuresOf(measurements),
      report: reportOf(measurements, contestants, conditionsOf(plan, services.description, spans)),
    };
  } finally {
    await stops.runAll();
  }
};
