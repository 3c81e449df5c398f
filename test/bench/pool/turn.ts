/** Every scenario with its contestants, in rounds, in turns; a contestant is started anew for each turn. */
import { setTimeout as pause } from "node:timers/promises";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { createFolder } from "../support/bench.ts";
import type { LoadGenerator } from "../support/load-generator.ts";
import { watchIdle } from "../support/machine.ts";
import { median } from "../support/statistics.ts";
import { turnOrder } from "../support/turn-order.ts";
import { PER_SECOND, reads, writes } from "./load.ts";
import type { Observation } from "./observation.ts";
import type { Contestant } from "./proxies.ts";
import type { Plan, Scenario } from "./scenarios.ts";
import type { Upstream } from "./upstream.ts";

export interface Stage {
  readonly upstream: Upstream;
  readonly generator: LoadGenerator;
  readonly signal: AbortSignal;
}

type Values = Readonly<Record<string, number>>;

/** A contestant's result in a scenario. */
export interface Cell {
  /** The name of the plan's entry. */
  readonly entry: string;
  readonly contestant: Contestant;
  /** Medians of the rounds, by the titles of the columns. */
  readonly values: Values;
}

const CONNECTIONS = 64;
/** A Poisson process may bring more requests than its mean. */
const HEADROOM = 1.3;
/** Less load at first, because the code of a new process is not compiled yet. */
const FIRST = [
  { perSecond: 150, lastsMs: 400 },
  { perSecond: 300, lastsMs: 900 },
];

const takeSteps = async ({ steps }: Scenario, { upstream, signal }: Stage): Promise<number[]> => {
  const beganMs = performance.now();
  const stepsAtMs: number[] = [];
  for (const { afterMs, replicas, mode } of steps) {
    await pause(Math.max(0, beganMs + afterMs - performance.now()), undefined, { signal });
    const { atMs } = await upstream.order({ kind: "turn", replicas, mode });
    stepsAtMs.push(atMs);
  }
  return stepsAtMs;
};

/** @throws Error if the contestant or the replicas fail */
const runTurn = async (contestant: Contestant, scenario: Scenario, stage: Stage): Promise<Observation> => {
  const { upstream, generator, signal } = stage;
  const { isWriting, lastsMs } = scenario;
  const stops = new CleanupStack();
  try {
    const run = { signal, stops };
    const folder = await createFolder(run);
    await upstream.order({ kind: "turn", replicas: upstream.ports.map((_, index) => index), mode: "ok" });
    const { port } = await contestant.start({ folder, upstream }, run);
    const turn = { port, requests: reads(), connections: CONNECTIONS };
    for (const first of FIRST) await generator.run({ ...turn, ...first });
    await upstream.order({ kind: "forget" });
    const requests = isWriting ? writes(Math.ceil((HEADROOM * PER_SECOND * lastsMs) / 1_000)) : reads();
    const idle = watchIdle();
    const [trace, stepsAtMs] = await Promise.all([
      generator.run({ ...turn, requests, perSecond: PER_SECOND, lastsMs }),
      takeSteps(scenario, stage),
    ]);
    const idleShare = idle();
    const { counts } = await upstream.order({ kind: "count" });
    return { trace, stepsAtMs, counts, idleShare };
  } finally {
    await stops.runAll();
  }
};

const medians = (readings: readonly Values[]): Values =>
  Object.fromEntries(
    Object.keys(readings[0] ?? {}).map((column) => [
      column,
      median(readings.map((values) => values[column] ?? Number.NaN)),
    ]),
  );

export const measureCells = async (
  plan: Plan,
  contestants: readonly Contestant[],
  stage: Stage,
  onProgress: (line: string) => void,
): Promise<Cell[]> => {
  const cells: Cell[] = [];
  for (const [entry, { scenario, rounds = 1, isOursOnly = false }] of Object.entries(plan)) {
    onProgress(`${scenario.title} …`);
    const taking = contestants.filter(({ isOurs }) => isOurs || !isOursOnly);
    const measured = new Map(taking.map((each) => [each, [] as Values[]]));
    for (let round = 0; round < rounds; round += 1) {
      for (const contestant of turnOrder([...measured.keys()], round + cells.length)) {
        stage.signal.throwIfAborted();
        const observation = await runTurn(contestant, scenario, stage);
        const values = { ...scenario.read(observation), "idle %": 100 * observation.idleShare };
        onProgress(`  ${contestant.name}`);
        measured.get(contestant)?.push(values);
      }
    }
    for (const [contestant, readings] of measured)
      cells.push({ entry, contestant, values: medians(readings) });
  }
  return cells;
};
