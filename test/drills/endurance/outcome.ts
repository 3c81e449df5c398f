/** What an endurance run found, and the counts that all of them print. */
import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { isGood, type Trace } from "../../bench/support/load-turn.ts";
import { percentile } from "../../bench/support/statistics.ts";

export interface Outcome {
  /** For people. */
  readonly report: string;
  /** For `--json`. */
  readonly figures: Readonly<Record<string, unknown>>;
  /** Every promise that was broken, a line each. */
  readonly broken: readonly string[];
}

export interface Running {
  /** Run at the end, however the run ends. */
  readonly cleanups: CleanupStack;
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal;
  /** Receives progress, a line at a time. */
  readonly onProgress: (line: string) => void;
}

/** Far below the 5 s after which workerd closes an idle connection, so that a busy machine does not send on a closed one. */
export const MAX_IDLE_MS = 2_000;

/** The requests of a run so far. Times are milliseconds. */
export interface Requests {
  readonly latenciesMs: number[];
  /** How much later than due each was sent. */
  readonly lagsMs: number[];
  /** By status other than 2xx; 0 without a complete response. */
  readonly failed: Map<number, number>;
  /** By such a status, the first reason. */
  readonly reasons: Map<number, string>;
}

export const noRequests = (): Requests => ({
  latenciesMs: [],
  lagsMs: [],
  failed: new Map(),
  reasons: new Map(),
});

export const addTrace = (requests: Requests, { status, latencyMs, lagMs, reasons }: Trace): void => {
  for (const [index, each] of status.entries()) {
    requests.latenciesMs.push(latencyMs[index] ?? 0);
    requests.lagsMs.push(lagMs[index] ?? 0);
    if (!isGood(each)) requests.failed.set(each, (requests.failed.get(each) ?? 0) + 1);
  }
  for (const [each, reason] of reasons) if (!requests.reasons.has(each)) requests.reasons.set(each, reason);
};

export const failedCount = ({ failed }: Requests): number =>
  [...failed.values()].reduce((sum, count) => sum + count, 0);

/** Such as `none`, or `2 × 503 (…)`. */
export const describeFailed = ({ failed, reasons }: Requests): string =>
  failed.size === 0
    ? "none"
    : [...failed]
        .toSorted(([one], [other]) => one - other)
        .map(([status, count]) => `${count} × ${status} (${(reasons.get(status) ?? "").slice(0, 200)})`)
        .join(", ");

/** NaN without values. */
export const percentileOf = (values: readonly number[], percent: number): number =>
  values.length === 0 ? Number.NaN : percentile(values, percent);
