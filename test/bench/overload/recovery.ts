/** The return to normal: a server is overloaded for a while, then gets half of its capacity. */
import { isGood, type Trace } from "../support/load-turn.ts";
import { percentile } from "../support/statistics.ts";
import { CAPACITY_PER_S } from "./backend.ts";
import type { Contestant } from "./contestant.ts";
import { CONNECTIONS, HEADROOM, type Measuring, OVERLOAD } from "./rounds.ts";

export interface RecoveryPlan {
  /** At `OVERLOAD` times the capacity. */
  readonly overloadMs: number;
  /** At half of it, afterwards. */
  readonly watchMs: number;
}

export const FULL_RECOVERY: RecoveryPlan = { overloadMs: 60_000, watchMs: 15_000 };
export const QUICK_RECOVERY: RecoveryPlan = { overloadMs: 5_000, watchMs: 8_000 };

const HALF_LOAD = 0.5;
const WINDOW_MS = 1_000;
/** A second is normal again if its p99 is at most this multiple of the one before the overload. */
const NORMAL = 2;
/** For the preparation of the requests after the overload, and the end of its last ones. */
const BETWEEN_MS = 500;

/**
 * Seconds from the start of the trace to the end of its last second that was not normal: one with a response other than
 * 2xx, or with a higher p99. At most the whole trace, if it ends like that.
 *
 * @param maxP99Ms of a normal second
 */
export const recoverySeconds = (
  {
    beganAtMs,
    untilMs,
    dueAtMs,
    latencyMs,
    status,
  }: Pick<Trace, "beganAtMs" | "untilMs" | "dueAtMs" | "latencyMs" | "status">,
  maxP99Ms: number,
): number => {
  const seconds = Array.from({ length: Math.ceil((untilMs - beganAtMs) / WINDOW_MS) }, () => ({
    latenciesMs: [] as number[],
    hasFailed: false,
  }));
  for (const [index, dueMs] of dueAtMs.entries()) {
    const second = seconds[Math.floor((dueMs - beganAtMs) / WINDOW_MS)];
    second?.latenciesMs.push(latencyMs[index] ?? Number.POSITIVE_INFINITY);
    if (second !== undefined && !isGood(status[index] ?? 0)) second.hasFailed = true;
  }
  const isNormal = ({ latenciesMs, hasFailed }: (typeof seconds)[number]): boolean =>
    latenciesMs.length > 0 && !hasFailed && percentile(latenciesMs, 99) <= maxP99Ms;
  return seconds.findLastIndex((second) => !isNormal(second)) + 1;
};

/** @returns seconds until it is back to normal; at most the time that it is watched */
export const recover = async (
  contestant: Contestant,
  { generator, onProgress }: Pick<Measuring, "generator" | "onProgress">,
  { overloadMs, watchMs }: RecoveryPlan,
  normalP99Ms: number,
): Promise<number> => {
  await contestant.untilIdle();
  onProgress(`${OVERLOAD} × capacity for ${overloadMs / 1_000} s, ${contestant.title} …`);
  const overloadPerSecond = OVERLOAD * CAPACITY_PER_S;
  const perSecond = HALF_LOAD * CAPACITY_PER_S;
  const count = (rate: number, lastsMs: number): number => Math.ceil((HEADROOM * rate * lastsMs) / 1_000);
  const after = await contestant.requests(count(perSecond, watchMs), perSecond, overloadMs + BETWEEN_MS);
  const overload = await contestant.requests(count(overloadPerSecond, overloadMs), overloadPerSecond);
  const { port } = contestant.process;
  const load = { port, connections: CONNECTIONS };
  await generator.run({ ...load, requests: overload, perSecond: overloadPerSecond, lastsMs: overloadMs });
  const trace = await generator.run({ ...load, requests: after, perSecond, lastsMs: watchMs });
  return recoverySeconds(trace, NORMAL * normalP99Ms);
};
