/** One contestant in one scenario: started anew, so that nothing is left of an earlier one. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { watchIdle } from "../support/idle-share.ts";
import type { TraceLoad } from "../support/trace-load.ts";
import type { Contestant } from "./contestant.ts";
import { PER_SECOND, reads, writes } from "./load.ts";
import type { Observation } from "./observation.ts";
import type { Scenario } from "./scenario.ts";
import type { Upstream } from "./upstream.ts";

export interface Stage {
  readonly upstream: Upstream;
  readonly generator: TraceLoad;
  readonly signal: AbortSignal;
}

const CONNECTIONS = 64;
/** A Poisson process may bring more than its mean. */
const HEADROOM = 1.3;
/** A process that has just begun runs code that is not compiled yet; it gets less to do first. */
const FIRST: readonly { readonly perSecond: number; readonly lastsMs: number }[] = [
  { perSecond: 150, lastsMs: 400 },
  { perSecond: 300, lastsMs: 900 },
];

const takeSteps = async ({ steps }: Scenario, { upstream, signal }: Stage): Promise<number[]> => {
  const beganMs = performance.now();
  const stepsAtMs: number[] = [];
  for (const { afterMs, replicas, mode } of steps) {
    const leftMs = Math.max(0, beganMs + afterMs - performance.now());
    await pause(leftMs, undefined, { signal });
    const { atMs } = await upstream.order({ kind: "turn", replicas, mode });
    stepsAtMs.push(atMs);
  }
  return stepsAtMs;
};

/** @throws Error where the contestant or the replicas do not do as they are told */
export const runTurn = async (
  contestant: Contestant,
  scenario: Scenario,
  stage: Stage,
): Promise<Observation> => {
  const { upstream, generator, signal } = stage;
  const stops = new CleanupStack();
  try {
    const folder = await mkdtemp(join(tmpdir(), "breakwater-bench-pool-"));
    stops.add(() => rm(folder, { recursive: true, force: true }));
    const everyReplica = upstream.ports.map((_, index) => index);
    await upstream.order({ kind: "turn", replicas: everyReplica, mode: "ok" });
    const ports = upstream.ports.slice(0, scenario.replicas);
    const program = await contestant.start({ folder, upstream, ports, signal });
    stops.add(() => program.stop());
    for (const first of FIRST)
      await generator.run(
        { ...first, port: program.port, requests: reads(), connections: CONNECTIONS },
        signal,
      );
    await upstream.order({ kind: "forget" });
    const count = Math.ceil((HEADROOM * PER_SECOND * scenario.lastsMs) / 1_000);
    const idleSince = watchIdle();
    const [trace, stepsAtMs] = await Promise.all([
      generator.run(
        {
          port: program.port,
          requests: scenario.isWriting ? writes(count) : reads(),
          perSecond: PER_SECOND,
          connections: CONNECTIONS,
          lastsMs: scenario.lastsMs,
        },
        signal,
      ),
      takeSteps(scenario, stage),
    ]);
    const idleShare = idleSince();
    const { counts } = await upstream.order({ kind: "count" });
    return { trace, stepsAtMs, counts: counts.slice(0, scenario.replicas), idleShare };
  } finally {
    await stops.runAll();
  }
};
