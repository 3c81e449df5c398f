/** What happens on the way to an origin, for telemetry, and for an operator who asks. */

/** Why an attempt was made. */
export type AttemptCause =
  | "first"
  /** To find out how the origin is, with a request that may be made again. */
  | "look"
  /** The one before had failed. */
  | "retry"
  /** The one before takes longer than nearly all do: which of them answers first does not matter. */
  | "hedge";

export interface AttemptRecord {
  /** From 1. */
  readonly number: number;
  readonly cause: AttemptCause;
  /** In the order in which the configuration names them, from 0. */
  readonly origin: number;
  readonly outcome:
    | "answered"
    | "refused"
    | "not_executed"
    | "foreign"
    | "disbelieved"
    | "broken"
    | "timed_out"
    /** Another attempt was faster. */
    | "outrun";
  readonly durationMs: number;
}

/**
 * Why there was no further attempt, though the last one failed and the request could have been made again. `attempts`: there
 * were as many as there may be. `budget`: the share of requests that may be made again is used up. `deadline`: there is less
 * time left than half of the answers take. `origins`: none would do better.
 */
export const RETRY_DENIALS = ["attempts", "budget", "deadline", "origins"] as const;
export type RetryDenial = (typeof RETRY_DENIALS)[number];

export type AttemptEvent =
  | {
      readonly type: "attempt";
      readonly route: string;
      readonly method: string;
      /** The answer's, where one was heard. */
      readonly status: number | undefined;
      readonly attempt: AttemptRecord;
    }
  | { readonly type: "retry_denied"; readonly route: string; readonly reason: RetryDenial };
