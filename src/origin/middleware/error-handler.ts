/** From what was thrown to a problem, and to its response. Unexpected errors go to the log; clients see nothing of them. */
import type { ErrorHandler } from "hono";
import { internalHeaders } from "../../contract/internal-headers.ts";
import { type Problem, problem, statusOf } from "../../contract/problem.ts";
import { problemResponse } from "../../middleware/problems/index.ts";
import { NOT_EXECUTED } from "../../middleware/signature/not-executed.ts";
import type { SigningKey } from "../../middleware/signature/signing-keys.ts";
import { CircuitOpenError, DeadlineError, UnavailableError } from "../db/errors.ts";
import type { OriginLog } from "../log/log.ts";
import type { OriginContext, OriginEnv } from "./context.ts";
import { ShedError } from "./load-shedding.ts";
import { notExecutedProof } from "./verify-signature.ts";

/** A problem thrown from where it cannot be returned. It rolls back the transactions that it passes. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.code);
    this.problem = problem;
  }
}

/** If no better time is known. */
const RETRY_AFTER_S = 1;

const unavailableFor = (seconds: number): Problem =>
  problem("unavailable", { headers: { "retry-after": String(seconds) } });

export const unavailable = unavailableFor(RETRY_AFTER_S);

/** Nothing was done for the request, so another origin may do it, whatever it is. */
export const notExecuted = (retryAfterS = RETRY_AFTER_S): Problem =>
  problem("unavailable", {
    headers: { "retry-after": String(retryAfterS), [internalHeaders.notExecuted]: NOT_EXECUTED },
  });

/** @param about fields for the log */
export const problemOf = (
  error: unknown,
  about: Readonly<Record<string, unknown>>,
  log: OriginLog,
): Problem => {
  if (error instanceof ProblemError) return error.problem;
  // Counted instead of logged: an overload or an outage causes many.
  if (error instanceof ShedError) return notExecuted(error.retryAfterS);
  if (error instanceof CircuitOpenError) return unavailableFor(error.retryAfterS);
  if (error instanceof DeadlineError) {
    log.warn({ ...about, reason: error.message }, "a request ended before its response");
    return problem("deadline_exceeded");
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
  const { [internalHeaders.notExecuted]: isNotExecuted, ...headers } = answer.headers ?? {};
  if (isNotExecuted === undefined) return problemResponse(answer, c.get("requestId"));
  const edge = c.get("edge");
  const proof = edge === undefined ? {} : await notExecutedProof(keys, statusOf(answer), c, edge);
  return problemResponse({ ...answer, headers: { ...headers, ...proof } }, c.get("requestId"));
};

export const errorHandler =
  (keys: readonly SigningKey[], log: OriginLog): ErrorHandler<OriginEnv> =>
  (error, c) =>
    respondProblem(
      c,
      problemOf(error, { requestId: c.get("requestId"), route: c.get("operation") }, log),
      keys,
    );
