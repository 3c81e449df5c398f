/** The measurement itself: both servers at every load, in rounds, taking turns. */
import type { OpenLoad } from "../support/open-load.ts";
import type { OpenTurnResult } from "../support/open-turn.ts";
import { turnOrder } from "../support/turn-order.ts";
import { CAPACITY_PER_S } from "./backend.ts";
import { type Contestant, DEADLINE_MS } from "./contestant.ts";
import { askState, untilIdle } from "./state.ts";

export interface Plan {
  readonly rounds: number;
  readonly settleMs: number;
  readonly measureMs: number;
}

export const FULL: Plan = { rounds: 3, settleMs: 2_000, measureMs: 6_000 };
export const QUICK: Plan = { rounds: 1, settleMs: 1_200, measureMs: 2_500 };

/** Parts of the capacity; around 1 the peak is looked for. */
export const LOADS = [0.5, 0.9, 1, 1.1, 2] as const;
export type Load = (typeof LOADS)[number];

/** As many as are ever under way within the deadline at twice the capacity, and some more. */
const CONNECTIONS = 512;
/** Each server's first turn, which is not counted: the half load that is compared with would be a cold one. */
const WARM_UP: Plan = { rounds: 1, settleMs: 0, measureMs: 1_500 };
/** A Poisson process may bring more than its mean. */
const HEADROOM = 1.2;

export interface Measurement {
  readonly isLimited: boolean;
  readonly load: Load;
  readonly result: OpenTurnResult;
  /** Of one core. */
  readonly cpuShare: number;
  /** At the end of the turn; undefined where there is none. */
  readonly limit: number | undefined;
}

export interface Measuring {
  readonly contestants: readonly Contestant[];
  readonly generator: OpenLoad;
  readonly plan: Plan;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

const turn = async (contestant: Contestant, load: Load, measuring: Measuring): Promise<Measurement> => {
  const { generator, plan, signal } = measuring;
  const { port } = contestant.process;
  await untilIdle(port, signal);
  const perSecond = load * CAPACITY_PER_S;
  const count = Math.ceil((HEADROOM * perSecond * (plan.settleMs + plan.measureMs)) / 1000);
  const requests = await contestant.requests(count);
  const before = await askState(port);
  const result = await generator.run({
    port,
    requests,
    perSecond,
    connections: CONNECTIONS,
    settleMs: plan.settleMs,
    measureMs: plan.measureMs,
    usefulMs: DEADLINE_MS,
  });
  const after = await askState(port);
  const cpuShare = (after.cpuMs - before.cpuMs) / (after.atMs - before.atMs);
  return { isLimited: contestant.isLimited, load, result, cpuShare, limit: after.limit };
};

/** @throws Error where a request has an end that no load explains */
export const measure = async (measuring: Measuring): Promise<Measurement[]> => {
  const { contestants, plan, signal, onProgress } = measuring;
  const measurements: Measurement[] = [];
  onProgress("warming up …");
  for (const contestant of contestants) await turn(contestant, 0.9, { ...measuring, plan: WARM_UP });
  for (let round = 0; round < plan.rounds; round += 1) {
    onProgress(`round ${round + 1} of ${plan.rounds} …`);
    for (const load of LOADS) {
      for (const contestant of turnOrder(contestants, round)) {
        signal.throwIfAborted();
        const measurement = await turn(contestant, load, measuring);
        const { failures, firstFailure } = measurement.result;
        if (failures > 0)
          throw new Error(`${contestant.process.name} failed ${failures} times: ${firstFailure}`);
        measurements.push(measurement);
      }
    }
  }
  return measurements;
};
