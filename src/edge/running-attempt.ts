/** An attempt that is under way, and what its end tells the pool. */
import type { EndpointPermit } from "../resilience/balancer/endpoint.ts";
import type { AttemptCause, AttemptRecord } from "./attempt-events.ts";
import { absenceOf, type Outcome } from "./send-attempt.ts";
import type { AttemptTrace } from "./telemetry/request-trace.ts";

export interface RunningAttempt {
  readonly attempt: EndpointPermit;
  /** From 1. */
  readonly number: number;
  readonly cause: AttemptCause;
  /** Epoch milliseconds. */
  readonly startedMs: number;
  readonly controller: AbortController;
  /** Where the request's trace is kept. */
  readonly trace: AttemptTrace | undefined;
  readonly ended: Promise<EndedAttempt>;
}

export interface EndedAttempt {
  readonly running: RunningAttempt;
  readonly outcome: Outcome;
}

/** With less time at its beginning, an attempt that is not answered in time says nothing, milliseconds. */
const TELLING_MS = 500;

/** Whether an answer of ours says that it could not be made. */
export const isFailure = ({ status }: Response): boolean => status >= 500;
/** The same but for one that was late, and has taken all of its time. */
export const isFastFailure = (response: Response): boolean => isFailure(response) && response.status !== 504;

/**
 * @param timedOutAfterMs how much time it had, where that has run out
 * @returns what it came to
 */
export const tellPool = (
  { attempt }: RunningAttempt,
  outcome: Outcome,
  timedOutAfterMs = 0,
): AttemptRecord["outcome"] => {
  switch (outcome.kind) {
    case "answered":
      if (isFastFailure(outcome.response)) attempt.serverError();
      else attempt.answered();
      return "answered";
    case "aborted":
      if (timedOutAfterMs >= TELLING_MS) attempt.unreachable("timed_out");
      else attempt.ignore();
      return "timed_out";
    case "refused":
      attempt.refused(outcome.retryAfterMs);
      return outcome.isNotExecuted ? "not_executed" : "refused";
    default: {
      const absence = absenceOf(outcome);
      if (absence === undefined) attempt.refused(0);
      else attempt.unreachable(absence);
      return outcome.kind;
    }
  }
};
