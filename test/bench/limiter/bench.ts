/**
 * `npm run bench limiter`: the leased limiter against @upstash/ratelimit, on one Redis behind one bridge, with a round
 * trip between; and the same limiter simulated, with more isolates and more that goes wrong.
 */
import { availableParallelism, cpus } from "node:os";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import type { Bench } from "../support/bench.ts";
import { watchIdle } from "../support/idle-share.ts";
import { installPeers } from "../support/install-peers.ts";
import { bestOfOthers, ownFigures } from "./figures.ts";
import { type HangResult, measureHang } from "./hang.ts";
import { loadCells } from "./load-cells.ts";
import { type LoadResult, measureLoad } from "./loads.ts";
import { ours } from "./ours.ts";
import { FULL, QUICK } from "./plan.ts";
import { reportOf } from "./report.ts";
import { measureSimulated, SIMULATED } from "./simulated.ts";
import { startBenchStore } from "./store.ts";
import { upstash } from "./upstash.ts";

/** While it hangs it is asked once a window only, and so keeps the fewest waiting. */
const BEST_WHILE_HANGING = "cachedFixedWindow";

const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;

export const benchLimiter: Bench = async ({ isQuick, signal, onProgress }) => {
  const plan = isQuick ? QUICK : FULL;
  await installPeers(signal, onProgress);
  const contestants = [ours, ...upstash(await import("../peers/ratelimit.mjs"))];
  const stops = new CleanupStack();
  const idle = watchIdle();
  try {
    const store = await startBenchStore(stops, signal);
    const surroundings = { store, signal };
    const loads: LoadResult[] = [];
    for (const cell of loadCells(plan)) {
      onProgress(`${cell.group} ${cell.title}`);
      loads.push(...(await measureLoad(cell, contestants, plan, surroundings)));
    }
    onProgress("the store hangs");
    const hanging = contestants.filter(({ id, isOurs }) => !isQuick || isOurs || id === BEST_WHILE_HANGING);
    // Their own fronts hang, and nothing is counted: in little time they go beside each other.
    const hangs: HangResult[] = isQuick
      ? await Promise.all(hanging.map((contestant) => measureHang(contestant, plan, surroundings)))
      : [];
    if (!isQuick)
      for (const contestant of hanging) hangs.push(await measureHang(contestant, plan, surroundings));
    const idleShare = idle();
    onProgress("simulated");
    const simulated = SIMULATED.map((cell) => {
      signal.throwIfAborted();
      return measureSimulated(cell, plan.simulatedMs);
    });
    const measured = { loads, hangs, simulated };
    const others = bestOfOthers(measured);
    const own = ownFigures(measured);
    const report = reportOf(measured, own, others, plan, [
      `measured ${plan.turns} × ${plan.measureMs} ms a load and contestant, who take turns${isQuick ? "; hang: only one of the opponent's algorithms, beside Breakwater" : ""}`,
      `@upstash/ratelimit 2.2.0, @upstash/redis 1.39.0, Redis ${store.version}`,
      `Node ${process.version} on ${availableParallelism()} × ${cpus()[0]?.model ?? "an unknown processor"}; ${(100 * idleShare).toFixed(0)} % of the machine was idle: with little of that, the machine was measured`,
    ]);
    const figures = Object.fromEntries([
      ...Object.entries(own).map(([name, value]) => [name, rounded(value)]),
      ...[...others].map(([name, { value }]) => [`upstash_${name}`, rounded(value)]),
    ]);
    return { figures, report };
  } finally {
    await stops.runAll();
  }
};
