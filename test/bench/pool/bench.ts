/**
 * `npm run bench pool`: how the edge spreads requests over replicas that fall ill, against nginx and HAProxy at their
 * best, over HTTP; and what is left of it where many isolates each see a small part only, in a simulation.
 */
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import type { Bench } from "../support/bench.ts";
import { startTraceLoad } from "../support/trace-load.ts";
import { breakwater } from "./breakwater.ts";
import { measureCells } from "./cells.ts";
import { figuresOf } from "./figures.ts";
import { haproxyContestants } from "./haproxy.ts";
import { measureIsolates } from "./isolate-cells.ts";
import { nginxContestants } from "./nginx.ts";
import { FULL_PLAN, QUICK_PLAN } from "./plan.ts";
import { programVersion } from "./programs.ts";
import { reportOf } from "./report.ts";
import { startUpstream } from "./upstream.ts";

const SEEDS = [1, 2, 3, 4, 5];
const QUICK_SEEDS = [1];

export const benchPool: Bench = async ({ isQuick, signal, onProgress }) => {
  const plan = isQuick ? QUICK_PLAN : FULL_PLAN;
  const stops = new CleanupStack();
  try {
    const versions = await Promise.all([programVersion("nginx"), programVersion("haproxy")]);
    const ours = await breakwater();
    const contestants = [ours.contestant, ...nginxContestants, ...haproxyContestants];
    onProgress("starting the replicas …");
    const upstream = await startUpstream(signal);
    stops.add(() => upstream.stop());
    const generator = startTraceLoad();
    stops.add(() => generator.close());
    const cells = await measureCells(plan, contestants, { upstream, generator, signal }, onProgress);
    onProgress("simulating isolates …");
    const isolateCells = measureIsolates(isQuick ? QUICK_SEEDS : SEEDS, isQuick);
    const figures = figuresOf(cells, isolateCells);
    const report = reportOf({
      plan,
      cells,
      isolateCells,
      figures,
      versions: [...versions, ours.version],
    });
    return { figures, report };
  } finally {
    await stops.runAll();
  }
};
