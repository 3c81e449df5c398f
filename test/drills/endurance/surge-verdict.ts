/** What a surge did to the system, and how soon it was back, by the traces of both loads. */
import { recoverySeconds } from "../../bench/overload/recovery.ts";
import { isGood, type Trace } from "../../bench/support/load-turn.ts";
import { percentileOf } from "./outcome.ts";

export interface SurgeVerdict {
  readonly title: string;
  readonly beforeP99Ms: number;
  /** Of both loads, during the surge. */
  readonly offeredPerSecond: number;
  /** 2xx. */
  readonly servedPerSecond: number;
  /** Every response other than 2xx, and none. */
  readonly failedShare: number;
  readonly duringP99Ms: number;
  /** From the end of the surge to the end of the last second that was not normal. */
  readonly recoveryS: number;
  /** From the recovery on. */
  readonly afterP99Ms: number;
  /** Of both loads: how much later than due a request was sent. */
  readonly lagP99Ms: number;
  /** Of the surge, by status; empty if none failed. */
  readonly failures: string;
  /** What limits the meaning of the figures, a line each. */
  readonly notes: readonly string[];
  readonly broken: readonly string[];
}

type Requests = Pick<Trace, "dueAtMs" | "latencyMs" | "status" | "lagMs">;

const SLOW_FACTOR = 3;
const ALWAYS_FAST_MS = 500;
const MAX_RECOVERY_S = 5;
/** The first of the base load's seconds opens connections. */
const SETTLE_MS = 1_000;
/** A system that serves more of the surge was not overloaded. */
const OVERLOADED_SHARE = 0.9;
/** A generator that sends later than this is a part of the latencies. */
const MAX_LAG_MS = 50;

/** The requests that were due from one time, inclusive, to another. */
const dueBetween = (trace: Trace, fromMs: number, toMs: number): Requests => {
  const isWithin = (index: number): boolean => {
    const dueMs = trace.dueAtMs[index] ?? Number.NaN;
    return dueMs >= fromMs && dueMs < toMs;
  };
  return {
    dueAtMs: trace.dueAtMs.filter((_, index) => isWithin(index)),
    latencyMs: trace.latencyMs.filter((_, index) => isWithin(index)),
    status: trace.status.filter((_, index) => isWithin(index)),
    lagMs: trace.lagMs.filter((_, index) => isWithin(index)),
  };
};

const p99Of = (...lists: readonly Iterable<number>[]): number =>
  percentileOf(
    lists.flatMap((list) => [...list]),
    99,
  );

/** @param lost why there was no response */
const describeFailures = (statuses: readonly number[], lost: string | undefined): string =>
  [...Map.groupBy(statuses, (status) => status)]
    .toSorted(([one], [other]) => one - other)
    .map(([status, { length }]) => `${length} × ${status === 0 ? (lost ?? "no response") : status}`)
    .join(", ");

/**
 * @param base from before the surge until after it
 * @param surge what came on top
 * @param endedAtMs when the surge, and what was broken during it, had ended; epoch milliseconds
 */
export const judgeSurge = (title: string, base: Trace, surge: Trace, endedAtMs: number): SurgeVerdict => {
  const before = dueBetween(base, base.beganAtMs + SETTLE_MS, surge.beganAtMs);
  const during = [dueBetween(base, surge.beganAtMs, surge.untilMs), surge];
  const after = dueBetween(base, endedAtMs, base.untilMs);
  const beforeP99Ms = p99Of(before.latencyMs);
  const beforeFailed = before.status.filter((status) => !isGood(status)).length;
  const recoveryS = recoverySeconds(
    { ...after, beganAtMs: endedAtMs, untilMs: base.untilMs },
    Math.max(SLOW_FACTOR * beforeP99Ms, ALWAYS_FAST_MS),
  );
  const recovered = dueBetween(base, endedAtMs + recoveryS * 1_000, base.untilMs);
  const statuses = during.flatMap(({ status }) => [...status]);
  const failed = statuses.filter((status) => !isGood(status));
  const seconds = (surge.untilMs - surge.beganAtMs) / 1_000;
  const served = statuses.length - failed.length;
  const lagP99Ms = p99Of(...during.map(({ lagMs }) => lagMs));
  const isOverloaded = served < OVERLOADED_SHARE * statuses.length;
  return {
    ...{ title, beforeP99Ms, recoveryS, lagP99Ms },
    offeredPerSecond: statuses.length / seconds,
    servedPerSecond: served / seconds,
    failedShare: failed.length / statuses.length,
    duringP99Ms: p99Of(...during.map(({ latencyMs }) => latencyMs)),
    afterP99Ms: p99Of(recovered.latencyMs),
    failures: describeFailures(failed, surge.reasons.get(0) ?? base.reasons.get(0)),
    notes:
      lagP99Ms > MAX_LAG_MS
        ? [
            `${title}: the generator sent requests late (p99 ${lagP99Ms.toFixed(0)} ms); latencies count from when they were due`,
          ]
        : [],
    broken: [
      ...(recoveryS > MAX_RECOVERY_S ? [`${title}: back only after ${recoveryS} s`] : []),
      ...(beforeFailed > 0 ? [`${title}: ${beforeFailed} requests failed before the surge`] : []),
      ...(isOverloaded ? [] : [`${title}: the system carries the surge; raise --rate`]),
    ],
  };
};
