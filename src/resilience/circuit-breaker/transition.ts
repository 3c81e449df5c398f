/** The states of a breaker, and what is told of their changes. */

export const BREAKER_STATES = ["closed", "open", "half_open"] as const;
export type BreakerState = (typeof BREAKER_STATES)[number];

/** Why it changed. */
export type TransitionReason =
  /** Too many failures one after another. */
  | "consecutive_failures"
  /** Too large a share of failures in the window. */
  | "failure_ratio"
  /** Too large a share of slow calls in the window. */
  | "slow_ratio"
  /** The dependency itself asked for a pause. */
  | "pushback"
  /** The time that it was to be open is over. */
  | "timeout"
  /** A probe failed. */
  | "probe_failed"
  /** A probe did not come back within its lease. */
  | "probe_lost"
  /** Enough probes succeeded. */
  | "recovered";

export interface Transition {
  readonly from: BreakerState;
  readonly to: BreakerState;
  readonly reason: TransitionReason;
  readonly atMs: number;
}
