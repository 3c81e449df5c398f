/** What a failure is to a client; what is not foreseen goes to the log, and nothing of it to the client. */

import { internalHeaders } from "../contract/internal-headers.ts";
import { type Problem, problem } from "../contract/problem.ts";
import { NOT_EXECUTED } from "../middleware/signature/not-executed.ts";
import { CircuitOpenError, DeadlineError, UnavailableError } from "./data/failure.ts";
import type { OriginLog } from "./log.ts";
import { ShedError } from "./middleware/load-shedding.ts";
import { Refusal } from "./refusal.ts";

/** Where nothing says when to try again. */
export const RETRY_AFTER_S = 1;

const unavailableFor = (seconds: number): Problem =>
  problem("unavailable", { headers: { "retry-after": String(seconds) } });

export const unavailable = unavailableFor(RETRY_AFTER_S);
/** Nothing was done for the request: another origin may do it, whatever it is. */
export const notBegun = (retryAfterS: number): Problem =>
  problem("unavailable", {
    headers: { "retry-after": String(retryAfterS), [internalHeaders.notExecuted]: NOT_EXECUTED },
  });
export const deadlineExceeded = problem("deadline_exceeded");

export const problemOfFailure = (
  error: unknown,
  about: Readonly<Record<string, unknown>>,
  log: OriginLog,
): Problem => {
  if (error instanceof Refusal) return error.problem;
  // Counted, not logged: under overload, or while a dependency is away, there are many of them.
  if (error instanceof ShedError) return notBegun(error.retryAfterS);
  if (error instanceof CircuitOpenError) return unavailableFor(error.retryAfterS);
  if (error instanceof DeadlineError) {
    log.warn({ ...about, reason: error.message }, "a request ended before its answer");
    return deadlineExceeded;
  }
  if (error instanceof UnavailableError) {
    log.warn({ ...about, err: error }, "a dependency is away");
    return unavailable;
  }
  log.error({ ...about, err: error }, "unhandled");
  return problem("internal");
};
