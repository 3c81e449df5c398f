/** Tells an isolate's log what its limits refuse, or would refuse: a line a limit each ten seconds, if there is anything to tell. */
import type { LimitResult } from "./limiter/verdict.ts";

const EVERY_MS = 10_000;

interface Counts {
  readonly sinceMs: number;
  passed: number;
  limited: number;
  unavailable: number;
  /** Decided without the store, whatever the verdict was. */
  withoutStore: number;
}

const isWithoutStore = ({ mode }: LimitResult): boolean =>
  mode === "local" || mode === "open" || mode === "closed";

const nothing = (sinceMs: number): Counts => ({
  sinceMs,
  passed: 0,
  limited: 0,
  unavailable: 0,
  withoutStore: 0,
});

/** @param now epoch milliseconds */
export const createLimitReport = (
  log: (entry: Readonly<Record<string, unknown>>) => void,
  now: () => number,
): ((result: LimitResult) => void) => {
  /** By the limit's name; as many as the contract has. */
  const counts = new Map<string, Counts>();

  return (result) => {
    const { limit, outcome } = result;
    const nowMs = now();
    const count = counts.get(limit.name) ?? nothing(nowMs);
    counts.set(limit.name, count);
    count[outcome] += 1;
    if (isWithoutStore(result)) count.withoutStore += 1;
    if (nowMs - count.sinceMs < EVERY_MS) return;
    counts.delete(limit.name);
    const { sinceMs, ...told } = count;
    if (told.limited + told.unavailable + told.withoutStore === 0) return;
    const dryRun = limit.dryRun === true;
    log({ level: "warn", message: "rate limit", limit: limit.name, dryRun, forMs: nowMs - sinceMs, ...told });
  };
};
