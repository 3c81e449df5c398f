/** What a drill found: the clients' history against the database, and how soon the system was back. */

import { setTimeout as pause } from "node:timers/promises";
import type { PostgresPool } from "../../src/origin/db/postgres.ts";
import type { Exchange, History } from "./clients.ts";
import { findFaults } from "./ledger.ts";
import type { Watched } from "./watchers.ts";

/** `performance.now()` of the drill's turns. */
export interface Turns {
  readonly startMs: number;
  readonly injectMs: number;
  readonly undoneMs: number;
  readonly endMs: number;
}

export interface Verdict {
  readonly fault: string;
  readonly requests: number;
  /** 5xx, and connections that broke. */
  readonly failed: number;
  /** Of the failed ones, how many by action and status. */
  readonly failures: Readonly<Record<string, number>>;
  readonly lost: number;
  readonly doubled: number;
  readonly oversold: number;
  /** From the end of the fault to the last failed request, or the last slow one of a second whose p99 was slow, milliseconds. */
  readonly recoveryMs: number;
  /** Milliseconds, before the fault, from its beginning to the recovery, and after. */
  readonly p99Ms: readonly [before: number, during: number, after: number];
  /** The greatest age of a change that a read did not show yet, milliseconds. */
  readonly stalestMs: number;
  /** Every promise that was broken, a line each. */
  readonly broken: readonly string[];
}

/** Slower than this multiple of the p99 before the fault is not recovered yet. */
const SLOW_FACTOR = 3;
/** Never slow, milliseconds: two cores carry the system and its clients. */
const ALWAYS_FAST_MS = 500;
export const MAX_RECOVERY_MS = 10_000;
/** The error rate and the p99 are those of a second. */
const WINDOW_MS = 1_000;
/** A single slow request among few is the machine's. */
const FEW = 2;
/** The database may have to come back first. */
const READ_TIMEOUT_MS = 30_000;
const RETRY_PAUSE_MS = 200;

export const hasFailed = ({ status }: Exchange): boolean => status === 0 || status >= 500;

export const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
};

const between = (exchanges: readonly Exchange[], fromMs: number, toMs: number): Exchange[] =>
  exchanges.filter(({ startMs }) => startMs >= fromMs && startMs < toMs);

const p99Of = (exchanges: readonly Exchange[]): number =>
  percentile(
    exchanges.map(({ durationMs }) => durationMs),
    0.99,
  );

/** When the last request ended that failed, or that was slow in a second whose p99 was; -Infinity if there was none. */
export const lastAbnormalMs = (exchanges: readonly Exchange[], slowMs: number): number => {
  const seconds = Map.groupBy(exchanges, ({ startMs }) => Math.floor(startMs / WINDOW_MS));
  const abnormal = [...seconds.values()].flatMap((within) => {
    const slow = within.filter(({ durationMs }) => durationMs > slowMs);
    const isSlow = slow.length > Math.max(FEW, within.length / 100);
    return [...within.filter(hasFailed), ...(isSlow ? slow : [])];
  });
  return Math.max(
    ...abnormal.map(({ startMs, durationMs }) => startMs + durationMs),
    Number.NEGATIVE_INFINITY,
  );
};

const readFaults = async ({ ledger }: History, pool: PostgresPool): Promise<string[]> => {
  const untilMs = performance.now() + READ_TIMEOUT_MS;
  for (;;) {
    try {
      return await findFaults(ledger, pool);
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await pause(RETRY_PAUSE_MS);
    }
  }
};

export const judge = async (
  fault: string,
  history: History,
  turns: Turns,
  pool: PostgresPool,
  { broken, stalestMs }: Pick<Watched, "broken" | "stalestMs">,
): Promise<Verdict> => {
  const exchanges = between(history.exchanges, turns.startMs, turns.endMs);
  const before = p99Of(between(exchanges, turns.startMs, turns.injectMs));
  const slowMs = Math.max(ALWAYS_FAST_MS, SLOW_FACTOR * before);
  const after = between(exchanges, turns.undoneMs, turns.endMs);
  const backMs = Math.max(turns.undoneMs, lastAbnormalMs(after, slowMs));
  const recoveryMs = Math.round(backMs - turns.undoneMs);
  const faults = await readFaults(history, pool);
  const replayed = history.replays.filter(([first, again]) => first !== again);
  const errors = new Set(exchanges.filter(({ status }) => status === 500).map(({ action }) => action));
  const failed = exchanges.filter(hasFailed);
  const failures = Map.groupBy(failed, ({ action, status }) => `${action} ${status}`);
  const countOf = (kind: string): number => faults.filter((line) => line.startsWith(kind)).length;
  return {
    fault,
    requests: exchanges.length,
    failed: failed.length,
    failures: Object.fromEntries([...failures].map(([what, { length }]) => [what, length])),
    lost: countOf("lost"),
    doubled: countOf("double"),
    oversold: countOf("stock"),
    recoveryMs,
    p99Ms: [
      Math.round(before),
      Math.round(p99Of(between(exchanges, turns.injectMs, backMs))),
      Math.round(p99Of(between(exchanges, backMs, turns.endMs))),
    ],
    stalestMs: Math.round(stalestMs),
    broken: [
      ...faults,
      ...replayed.map(([first, again]) => `replayed another response: ${first} and ${again}`),
      ...[...errors].map((action) => `500: ${action}`),
      ...(recoveryMs > MAX_RECOVERY_MS ? [`back only after ${recoveryMs} ms`] : []),
      ...broken,
    ],
  };
};
