/** The measurement: both servers at every load, in rounds, in turns. */
import type { LoadGenerator } from "../support/load-generator.ts";
import type { Trace } from "../support/load-turn.ts";
import { cpuShare, readCpuTime } from "../support/machine.ts";
import { percentile } from "../support/statistics.ts";
import { turnOrder } from "../support/turn-order.ts";
import { CAPACITY_PER_S } from "./backend.ts";
import { type Contestant, DEADLINE_MS } from "./contestant.ts";

export interface Plan {
  readonly rounds: number;
  readonly settleMs: number;
  readonly measureMs: number;
}

export const FULL: Plan = { rounds: 3, settleMs: 2_000, measureMs: 6_000 };
export const QUICK: Plan = { rounds: 1, settleMs: 1_200, measureMs: 2_500 };

/** Of clients that do not slow down: a multiple of the capacity. */
export const OVERLOAD = 10;
/** Multiples of the capacity; the peak is around 1. */
export const LOADS = [0.5, 0.9, 1, 1.1, 2, OVERLOAD] as const;
export type Load = (typeof LOADS)[number];

/** More than are in flight within the deadline: opening some under load would wait for the server's accept queue. */
export const CONNECTIONS = 2_048;
/** Each server's first turn, which is not counted: otherwise a cold half load would be the comparison. */
const WARM_UP: Plan = { rounds: 1, settleMs: 0, measureMs: 1_500 };
/** A Poisson process may bring more requests than its mean. */
export const HEADROOM = 1.2;

/** The load generator's, for a connection without a response in time. */
const NO_RESPONSE = 0;

/** The responses to the requests that were due in the measured time. */
export interface OpenResult {
  readonly sent: number;
  /** 200 within the deadline, per second. */
  readonly useful: number;
  /** 200 after it. */
  readonly late: number;
  /** 503 */
  readonly shed: number;
  /** 504, or no response in time. */
  readonly expired: number;
  /** The latency of all 200s; undefined without any. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** How late requests were sent. */
  readonly lagP99Ms: number;
}

export interface Measurement extends OpenResult {
  readonly isLimited: boolean;
  readonly load: Load;
  /** Share of one core; undefined on systems other than Linux. */
  readonly cpuShare: number | undefined;
  /** At the end of the turn; undefined without a limit. */
  readonly limit: number | undefined;
}

const openResult = (trace: Trace, { settleMs, measureMs }: Plan): OpenResult => {
  const latencies: number[] = [];
  const lags: number[] = [];
  let shed = 0;
  let expired = 0;
  for (const [index, status] of trace.status.entries()) {
    if ((trace.dueAtMs[index] ?? 0) < trace.beganAtMs + settleMs) continue;
    lags.push(trace.lagMs[index] ?? 0);
    if (status === 503) shed += 1;
    else if (status === 504 || status === NO_RESPONSE) expired += 1;
    else if (status === 200) latencies.push(trace.latencyMs[index] ?? 0);
  }
  const useful = latencies.filter((latencyMs) => latencyMs <= DEADLINE_MS).length;
  const at = (percent: number) => (latencies.length === 0 ? undefined : percentile(latencies, percent));
  return {
    sent: lags.length,
    useful: (1_000 * useful) / measureMs,
    late: latencies.length - useful,
    shed,
    expired,
    p50Ms: at(50),
    p99Ms: at(99),
    lagP99Ms: percentile(lags, 99),
  };
};

export interface Measuring {
  readonly contestants: readonly Contestant[];
  readonly generator: LoadGenerator;
  readonly plan: Plan;
  readonly onProgress: (line: string) => void;
}

const EXPECTED = new Set([503, 504, NO_RESPONSE]);

/** @throws Error if a request got another response than 200, 503 and 504 */
const turn = async (contestant: Contestant, load: Load, measuring: Measuring): Promise<Measurement> => {
  const { generator, plan } = measuring;
  const { isLimited, process } = contestant;
  await contestant.untilIdle();
  const perSecond = load * CAPACITY_PER_S;
  const lastsMs = plan.settleMs + plan.measureMs;
  const requests = await contestant.requests(Math.ceil((HEADROOM * perSecond * lastsMs) / 1_000), perSecond);
  const before = await readCpuTime(process.pid);
  const { port } = process;
  const trace = await generator.run({ port, requests, perSecond, connections: CONNECTIONS, lastsMs });
  const after = await readCpuTime(process.pid);
  const { limit } = await contestant.state();
  for (const [status, reason] of trace.reasons)
    if (!EXPECTED.has(status)) throw new Error(`${process.name} failed: ${status} ${reason}`);
  return {
    isLimited,
    load,
    ...openResult(trace, plan),
    cpuShare: before && after && cpuShare(before, after),
    limit,
  };
};

/** Without the limit, nothing is left to measure at `OVERLOAD`: twice the capacity is too much already. */
export const measure = async (measuring: Measuring): Promise<Measurement[]> => {
  const { contestants, plan, onProgress } = measuring;
  const measurements: Measurement[] = [];
  onProgress("warming up …");
  for (const contestant of contestants) await turn(contestant, 0.9, { ...measuring, plan: WARM_UP });
  for (let round = 0; round < plan.rounds; round += 1) {
    onProgress(`round ${round + 1} of ${plan.rounds} …`);
    for (const load of LOADS)
      for (const contestant of turnOrder(contestants, round))
        if (contestant.isLimited || load < OVERLOAD)
          measurements.push(await turn(contestant, load, measuring));
  }
  return measurements;
};
