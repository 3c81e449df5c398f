/** Logs what an isolate's limits reject, or would reject in a dry run: at most one line per limit every ten seconds. */
import type { LimitResult } from "./verdict.ts";

const EVERY_MS = 10_000;

const emptyCounts = () => ({ passed: 0, limited: 0, unavailable: 0, withoutStore: 0 });

const isWithoutStore = ({ mode }: LimitResult): boolean =>
  mode === "local" || mode === "open" || mode === "closed";

/** @param now epoch milliseconds */
export const createLimitReport = (
  log: (entry: Readonly<Record<string, unknown>>) => void,
  now: () => number,
): ((result: LimitResult) => void) => {
  /** By limit name. */
  const periods = new Map<string, { sinceMs: number; counts: ReturnType<typeof emptyCounts> }>();

  return (result) => {
    const { limit, outcome } = result;
    const nowMs = now();
    const period = periods.get(limit.name) ?? { sinceMs: nowMs, counts: emptyCounts() };
    periods.set(limit.name, period);
    const { sinceMs, counts } = period;
    counts[outcome] += 1;
    if (isWithoutStore(result)) counts.withoutStore += 1;
    if (nowMs - sinceMs < EVERY_MS) return;
    periods.delete(limit.name);
    if (counts.limited + counts.unavailable + counts.withoutStore === 0) return;
    const dryRun = limit.dryRun === true;
    log({
      level: "warn",
      message: "rate limit",
      limit: limit.name,
      dryRun,
      forMs: nowMs - sinceMs,
      ...counts,
    });
  };
};
