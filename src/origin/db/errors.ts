/** The typed errors of data access, a closed set; the meaning of the drivers' errors, for callers and the breaker. */
import type { Breaker, Outcome, Permit } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { EndReason, Scope } from "./database.ts";

/** A dependency is down or overloaded. A later attempt may succeed. */
export class UnavailableError extends Error {
  override readonly name: string = "UnavailableError";
}

/** Nothing was sent: this process has reached a limit of its own. It says nothing about the dependency. */
export class SaturatedError extends UnavailableError {
  override readonly name = "SaturatedError";
}

/** Nothing was sent: the dependency's circuit breaker is open. */
export class CircuitOpenError extends UnavailableError {
  override readonly name = "CircuitOpenError";
  /** Epoch milliseconds. */
  readonly retryAtMs: number;

  constructor(dependency: string, retryAtMs: number) {
    super(`the circuit breaker of ${dependency} is open`);
    this.retryAtMs = retryAtMs;
  }

  /** Whole seconds from now until the next attempt, at least 1. */
  get retryAfterS(): number {
    return Math.max(1, Math.ceil((this.retryAtMs - Date.now()) / 1_000));
  }
}

/** The connection was lost after a write or COMMIT had been sent: it may have been committed. */
export class OutcomeUnknownError extends UnavailableError {
  override readonly name = "OutcomeUnknownError";
}

/** The request's deadline has passed, or its client has disconnected. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

export const requestEnded = (reason: EndReason, options?: ErrorOptions): DeadlineError =>
  new DeadlineError(`the request has ended (${reason})`, options);

/** PostgreSQL rejected a statement. */
export class StatementError extends Error {
  override readonly name = "StatementError";
  /** SQLSTATE, PostgreSQL's Appendix A. */
  readonly code: string;
  /** The name of the violated constraint. */
  readonly constraint: string | undefined;
  /** The statement's text, without its values. */
  readonly statement: string;

  constructor(statement: string, { code, message, constraint }: ServerError, cause: unknown) {
    super(message, { cause });
    this.code = code;
    this.constraint = constraint;
    this.statement = statement;
  }
}

interface ServerError {
  readonly code: string;
  readonly message: string;
  readonly constraint?: string | undefined;
}

export const isUnavailable = (error: unknown): error is UnavailableError => error instanceof UnavailableError;

/** serialization_failure, deadlock_detected: the same transaction may succeed if it is run again. */
export const isConcurrencyFailure = (error: unknown): boolean =>
  error instanceof StatementError && (error.code === "40001" || error.code === "40P01");

/** in_failed_sql_transaction: an earlier statement of the transaction has failed. */
export const isInFailedTransaction = (error: unknown): boolean =>
  error instanceof StatementError && error.code === "25P02";

/** read_only_sql_transaction. For a write it means that the server has become a standby. */
export const READ_ONLY = "25006";
/** query_canceled: by statement_timeout, or by an administrator. */
const CANCELED = "57014";
/** protocol_violation: a pooler reports the loss of its server so, but also a statement with too few values. */
const PROTOCOL_VIOLATION = "08P01";
/** Connection exception, insufficient resources, operator intervention, system error. */
const UNAVAILABLE = /^(08|53|57|58)/;
/** Invalid authorization, unknown database: configuration errors of an available server, which waiting does not fix. */
const REFUSED_LOGIN = /^(28|3D)/;
/** Connection exception, insufficient resources, and a server that is starting or stopping. */
const FAILURE = /^(08|53|57P)/;

/** An error that PostgreSQL itself reported; undefined for any other. */
const serverError = (error: unknown): (ServerError & { readonly isFatal: boolean }) | undefined => {
  // Only the server sets a severity; both drivers copy it.
  if (!(error instanceof Error && "severity" in error && "code" in error)) return undefined;
  const { code, message, severity } = error;
  if (typeof code !== "string") return undefined;
  const constraint = "constraint" in error ? error.constraint : undefined;
  return {
    code,
    message,
    constraint: typeof constraint === "string" ? constraint : undefined,
    isFatal: severity === "FATAL" || severity === "PANIC",
  };
};

export const sqlState = (error: unknown): string | undefined => serverError(error)?.code;

/** Whether PostgreSQL answered with this error, and the connection remains usable. */
export const isServersAnswer = (error: unknown): boolean => {
  const answer = serverError(error);
  return answer !== undefined && !answer.isFatal && !/^(57P|08)/.test(answer.code);
};

/** The server's timer and this process's clock may differ slightly. */
const CLOCK_SLACK_MS = 20;

/** Whether a canceled statement was canceled at its own deadline, and not earlier by another cause. */
const isDue = ({ deadlineAtMs }: Scope): boolean => Date.now() >= deadlineAtMs - CLOCK_SLACK_MS;

/** Whether the server ended a statement before the request's end. */
export const isCutShort = (error: unknown, scope: Scope): boolean =>
  sqlState(error) === CANCELED && scope.ended === undefined && !isDue(scope);

/** A failure of a WebSocket is an event, not an error, and often has no message. */
const messageOf = (error: unknown): string => {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("; ");
  if (typeof error !== "object" || error === null) return String(error);
  if ("message" in error && error.message) return String(error.message);
  return "error" in error && error.error instanceof Error ? messageOf(error.error) : "the connection failed";
};

/** Typed errors are returned unchanged. @param statement the text that failed; undefined while connecting */
export const typedError = (error: unknown, statement: string | undefined, scope: Scope): Error => {
  for (const type of [UnavailableError, DeadlineError, StatementError])
    if (error instanceof type) return error;
  if (scope.ended !== undefined) return requestEnded(scope.ended, { cause: error });
  const answer = serverError(error);
  if (answer === undefined) return new UnavailableError(messageOf(error), { cause: error });
  const { code, message } = answer;
  if (code === CANCELED && isDue(scope))
    return new DeadlineError("the statement took longer than the request's deadline", { cause: error });
  const isTemporary =
    UNAVAILABLE.test(code) ||
    (code === READ_ONLY && !scope.readOnly) ||
    (statement === undefined && !REFUSED_LOGIN.test(code));
  return isTemporary
    ? new UnavailableError(message, { cause: error })
    : new StatementError(statement ?? "", answer, error);
};

/** As `typedError`, for what commits: a write by itself, or COMMIT. */
export const commitError = (error: unknown, statement: string, scope: Scope): Error => {
  const typed = typedError(error, statement, scope);
  const isUnknown = typed instanceof UnavailableError && !scope.readOnly && !isServersAnswer(error);
  return isUnknown ? new OutcomeUnknownError(typed.message, { cause: error }) : typed;
};

/**
 * A prepared statement that the connection does not have, or has with another result type: a changed table (0A000
 * "cached plan must not change result type"), or a pooler that shares sessions (26000, 42P05).
 */
export const isStalePlan = (error: unknown): boolean => {
  const { code = "", message = "" } = (error instanceof StatementError ? error : serverError(error)) ?? {};
  return code === "0A000" ? message.includes("cached plan") : ["26000", "42P05"].includes(code);
};

/**
 * What a statement's outcome on the connection says about PostgreSQL. A server that rejects a statement, or cancels it at
 * its deadline, is healthy.
 *
 * @param error of the driver; undefined if the statement succeeded
 */
export const classifyStatement = (error: unknown): Outcome => {
  if (error === undefined) return "success";
  const answer = serverError(error);
  if (answer === undefined) return "failure";
  const isFailure = answer.code === PROTOCOL_VIOLATION ? answer.isFatal : FAILURE.test(answer.code);
  return isFailure ? "failure" : "success";
};

/** @param error with which no connection could be opened; undefined if there is one, which may have been open before */
export const classifyOpening = (error: unknown): Outcome => {
  if (error === undefined || error instanceof SaturatedError) return "ignored";
  return REFUSED_LOGIN.test(sqlState(error) ?? "") ? "success" : "failure";
};

const SETTLE = { success: "ok", failure: "fail", ignored: "ignore" } as const;

export const settlePermit = (permit: Permit, outcome: Outcome): void => permit[SETTLE[outcome]]();

/** Settles the permit once the work on the connection has succeeded or failed, even after the caller left. */
export const settleBy = (
  permit: Permit,
  work: Promise<unknown>,
  classify: (error: unknown) => Outcome,
): void => {
  work.then(
    () => settlePermit(permit, classify(undefined)),
    (error: unknown) => settlePermit(permit, classify(error)),
  );
};

const ignore = (): void => undefined;
const UNGUARDED: Permit = { granted: true, ok: ignore, fail: ignore, ignore };

/**
 * The permit of one attempt, to be settled by its outcome on the connection.
 *
 * @param breaker without one every attempt is permitted
 * @throws CircuitOpenError
 */
export const acquirePermit = (breaker: Breaker | undefined): Permit => {
  const permit = breaker?.tryAcquire() ?? UNGUARDED;
  if (permit.granted) return permit;
  throw new CircuitOpenError("PostgreSQL", permit.retryAtMs);
};
