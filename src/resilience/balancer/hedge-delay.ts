/** How long an attempt is waited for before something else is done beside it, or in its place. */
import type { LatencyHistogram } from "./latency-histogram.ts";
import type { Repetition } from "./retry-mode.ts";

/** What is to be done where there is no answer by then. */
export interface Plan {
  readonly next: "hedge" | "patience";
  /** On the caller's clock, milliseconds. */
  readonly atMs: number;
}

export interface Waiting {
  readonly repetition: Repetition;
  /** On the caller's clock, milliseconds. */
  readonly deadlineAtMs: number;
  /** Of its route. */
  readonly latencies: LatencyHistogram;
}

/** An answer that takes so many times as long as nearly all do is given up, or asked for once more. */
const PATIENCE = 4;
/** However fast a route is, nothing is thought to be lost before that, milliseconds. */
const LEAST_PATIENCE_MS = 250;

/** When an attempt is given up, or another one made beside it, however many hedges there may be; undefined: never. */
export const planPatience = (
  { repetition, deadlineAtMs, latencies: { p95Ms } }: Waiting,
  nowMs: number,
): Plan | undefined => {
  const halfMs = (deadlineAtMs - nowMs) / 2;
  const isTelling = p95Ms !== undefined && PATIENCE * p95Ms < halfMs;
  if (repetition === "race") {
    const patienceMs = isTelling ? Math.max(PATIENCE * p95Ms, LEAST_PATIENCE_MS) : halfMs;
    return { next: "patience", atMs: nowMs + Math.min(patienceMs, halfMs) };
  }
  // What is under way is given up for it.
  return repetition === "again" && isTelling ? { next: "patience", atMs: nowMs + halfMs } : undefined;
};

/** What comes after the first attempt: of a read that may be hedged a second one after the time that 95 % take. */
export const planHedge = (waiting: Waiting, mayHedge: boolean, nowMs: number): Plan | undefined => {
  const { p95Ms } = waiting.latencies;
  return mayHedge && waiting.repetition === "race" && p95Ms !== undefined
    ? { next: "hedge", atMs: nowMs + p95Ms }
    : planPatience(waiting, nowMs);
};
