/** Turns errors into problems and responses. Unexpected errors are logged, and hidden from clients. */
import type { ErrorHandler } from "hono";
import { internalHeaders } from "../../contract/internal-headers.ts";
import { type Problem, problem, statusOf } from "../../contract/problem.ts";
import { problemResponse } from "../../middleware/problems/index.ts";
import { NOT_EXECUTED } from "../../middleware/signature/not-executed.ts";
import type { SigningKey } from "../../middleware/signature/signing-keys.ts";
import { CircuitOpenError, DeadlineError, OutcomeUnknownError, UnavailableError } from "../db/errors.ts";
import type { OriginLog } from "../log/log.ts";
import type { OriginContext, OriginEnv } from "./context.ts";
import { RouteBusyError, ShedError } from "./load-shedding.ts";
import { notExecutedProof } from "./verify-signature.ts";

/** A thrown problem. It rolls back the transactions that it passes. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.code);
    this.problem = problem;
  }
}

const unavailableFor = (seconds: number): Problem =>
  problem("unavailable", { headers: { "retry-after": String(seconds) } });

export const unavailable = unavailableFor(1);

const outcomeUnknown = problem("outcome_unknown", {
  detail:
    "The write may have been done. Repeat the request with the same Idempotency-Key; if it had none, look before you repeat it.",
  headers: { "retry-after": "1" },
});

/** Nothing was done for the request: another origin may execute it, even if it is a write. */
export const notExecuted = problem("unavailable", {
  headers: { "retry-after": "1", [internalHeaders.notExecuted]: NOT_EXECUTED },
});

/** Other routes of the origin may have room. */
const routeBusy = problem("unavailable", {
  detail: "This operation has its maximum of requests in progress.",
  headers: { "retry-after": "1", [internalHeaders.routeBusy]: "?1" },
});

/** @param about fields for the log */
export const problemOf = (
  error: unknown,
  about: Readonly<Record<string, unknown>>,
  log: OriginLog,
): Problem => {
  if (error instanceof ProblemError) return error.problem;
  // Counted instead of logged: an overload or an outage causes many.
  if (error instanceof ShedError) return notExecuted;
  if (error instanceof RouteBusyError) return routeBusy;
  if (error instanceof CircuitOpenError) return unavailableFor(error.retryAfterS);
  if (error instanceof DeadlineError) {
    log.warn({ ...about, reason: error.message }, "a request ended before its response");
    return problem("deadline_exceeded");
  }
  if (error instanceof OutcomeUnknownError) {
    log.warn({ ...about, err: error }, "the outcome of a write is unknown");
    return outcomeUnknown;
  }
  if (error instanceof UnavailableError) {
    log.warn({ ...about, err: error }, "a dependency is unavailable");
    return unavailable;
  }
  log.error({ ...about, err: error }, "unhandled error");
  return problem("internal");
};

/** @returns the response to a problem, with proof for the edge if the request was not executed */
export const respondProblem = async (
  c: OriginContext,
  answer: Problem,
  keys: readonly SigningKey[],
): Promise<Response> => {
  const {
    [internalHeaders.notExecuted]: isNotExecuted,
    [internalHeaders.routeBusy]: isRouteBusy,
    ...headers
  } = answer.headers ?? {};
  const isPlain = isNotExecuted === undefined && isRouteBusy === undefined;
  if (isPlain) return problemResponse(answer, c.get("requestId"));
  const edge = c.get("edge");
  let forEdge = {};
  if (edge !== undefined && isRouteBusy !== undefined) forEdge = { [internalHeaders.routeBusy]: isRouteBusy };
  else if (edge !== undefined) forEdge = await notExecutedProof(keys, statusOf(answer), c, edge);
  return problemResponse({ ...answer, headers: { ...headers, ...forEdge } }, c.get("requestId"));
};

export const errorHandler =
  (keys: readonly SigningKey[], log: OriginLog): ErrorHandler<OriginEnv> =>
  (error, c) =>
    respondProblem(
      c,
      problemOf(error, { requestId: c.get("requestId"), route: c.get("operation") }, log),
      keys,
    );
