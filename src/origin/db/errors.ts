/**
 * How data access fails, whichever the driver: a closed set of typed errors, what the drivers' errors mean, and which of them
 * count for the circuit breaker.
 */
import type {
  Breaker,
  Outcome,
  Permit,
  Rejection,
} from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { Scope } from "./database.ts";

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

/** The request's deadline has passed, or its client has disconnected. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

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
  readonly constraint: string | undefined;
}

export const isUnavailable = (error: unknown): error is UnavailableError => error instanceof UnavailableError;

/** serialization_failure, deadlock_detected: the same transaction may succeed if it is run again. */
export const isConcurrencyFailure = (error: unknown): boolean =>
  error instanceof StatementError && (error.code === "40001" || error.code === "40P01");

/** read_only_sql_transaction. For a write it means that the server has become a standby. */
export const READ_ONLY = "25006";
/** query_canceled: by statement_timeout, or by an administrator. */
const CANCELLED = "57014";
/** Connection exception, insufficient resources, operator intervention, system error. */
const UNAVAILABLE_CLASSES = ["08", "53", "57", "58"];
/** Invalid authorization, unknown database: configuration errors, which waiting does not fix. */
const LOGIN_CLASSES = ["28", "3D"];

const classOf = (code: string): string => code.slice(0, 2);
const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** An error that PostgreSQL itself reported; undefined for any other. */
const serverError = (error: unknown): ServerError | undefined => {
  // Both drivers copy the protocol's error fields, of which only the server sets a severity.
  if (!(error instanceof Error) || !("severity" in error) || !("code" in error)) return undefined;
  const code = textOf(error.code);
  const constraint = "constraint" in error ? textOf(error.constraint) : undefined;
  return code === undefined ? undefined : { code, message: error.message, constraint };
};

export const sqlState = (error: unknown): string | undefined => serverError(error)?.code;

/** Whether PostgreSQL closed the connection with this error. */
const isFatal = (error: unknown): boolean =>
  error instanceof Error && "severity" in error && (error.severity === "FATAL" || error.severity === "PANIC");

/** Whether PostgreSQL answered with this error and the connection remains usable. */
export const isServersAnswer = (error: unknown): boolean => {
  const code = sqlState(error);
  return code !== undefined && !isFatal(error) && !code.startsWith("57P") && !code.startsWith("08");
};

/** Whether PostgreSQL is up but rejected the login. */
const isRefusedLogin = (error: unknown): boolean => LOGIN_CLASSES.includes(classOf(sqlState(error) ?? ""));

/** The server's timer and this process' clock may differ slightly. */
const CLOCK_SLACK_MS = 20;

/** Whether a cancelled statement was cancelled at its own deadline, and not earlier by another cause. */
const isDue = ({ deadlineAtMs }: Scope): boolean => Date.now() >= deadlineAtMs - CLOCK_SLACK_MS;

/** Whether the server ended a statement before the request's end. */
export const isCutShort = (error: unknown, scope: Scope): boolean =>
  sqlState(error) === CANCELLED && scope.ended === undefined && !isDue(scope);

/** A failure of a WebSocket is an event, not an error, and often has no message. */
const messageOf = (error: unknown): string => {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("; ");
  if (typeof error !== "object" || error === null) return String(error);
  if ("message" in error && error.message) return String(error.message);
  if ("error" in error && error.error instanceof Error) return messageOf(error.error);
  return "the connection failed";
};

/**
 * The typed error for a driver's error. Typed errors are returned as they are.
 *
 * @param statement the text that failed; undefined while connecting
 */
export const typedError = (error: unknown, statement: string | undefined, scope: Scope): Error => {
  if (
    error instanceof UnavailableError ||
    error instanceof DeadlineError ||
    error instanceof StatementError
  ) {
    return error;
  }
  if (scope.ended !== undefined)
    return new DeadlineError(`the request has ended (${scope.ended})`, { cause: error });
  const answer = serverError(error);
  if (answer === undefined) return new UnavailableError(messageOf(error), { cause: error });
  const { code, message } = answer;
  if (code === CANCELLED && isDue(scope)) {
    return new DeadlineError("the statement took longer than the request's deadline", { cause: error });
  }
  const isUnavailable =
    UNAVAILABLE_CLASSES.includes(classOf(code)) ||
    (code === READ_ONLY && !scope.readOnly) ||
    (statement === undefined && !isRefusedLogin(error));
  return isUnavailable
    ? new UnavailableError(message, { cause: error })
    : new StatementError(statement ?? "", answer, error);
};

/**
 * A prepared statement that the connection does not have, or has with another result type: a changed table (0A000
 * "cached plan must not change result type"), or a pooler that shares sessions (26000, 42P05).
 */
export const isStalePlan = (error: unknown): boolean => {
  const { code, message } = (error instanceof StatementError ? error : serverError(error)) ?? {};
  return (
    code === "26000" || code === "42P05" || (code === "0A000" && message?.includes("cached plan") === true)
  );
};

/** Connection exception, insufficient resources, and a server that is starting or stopping. */
const FAILURE = /^(08|53|57P)/;
/** protocol_violation: a pooler reports the loss of its server so, but also a statement with too few values. */
const PROTOCOL_VIOLATION = "08P01";

/**
 * What a statement's outcome says about PostgreSQL, for its circuit breaker. Outcomes are taken from the connection, not
 * from what the caller saw: the caller may have gone, and a server that rejects a statement, or cancels it at its deadline,
 * is healthy.
 *
 * @param error of the driver; undefined if the statement succeeded
 */
export const classifyStatement = (error: unknown): Outcome => {
  if (error === undefined) return "success";
  const code = sqlState(error);
  if (code === PROTOCOL_VIOLATION) return isFatal(error) ? "failure" : "success";
  return code === undefined || FAILURE.test(code) ? "failure" : "success";
};

/** @param error with which no connection could be opened; undefined if there is one, which may have been open before */
export const classifyOpening = (error: unknown): Outcome => {
  if (error === undefined || error instanceof SaturatedError) return "ignored";
  return isRefusedLogin(error) ? "success" : "failure";
};

export const settlePermit = (permit: Permit, outcome: Outcome): void => {
  if (outcome === "success") permit.ok();
  else if (outcome === "failure") permit.fail();
  else permit.ignore();
};

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

const UNGUARDED: Permit = {
  granted: true,
  ok: () => undefined,
  fail: () => undefined,
  ignore: () => undefined,
};

/**
 * A permit for one attempt, to be settled by its outcome on the connection.
 *
 * @throws CircuitOpenError
 */
type AcquirePermit = () => Permit;

/** @param breaker without one every attempt is permitted */
export const permitsOf = (breaker: Breaker | undefined): AcquirePermit => {
  if (breaker === undefined) return () => UNGUARDED;
  let last: { readonly rejection: Rejection; readonly error: CircuitOpenError } | undefined;
  return () => {
    const permit = breaker.tryAcquire();
    if (permit.granted) return permit;
    // Nearly all of a rejection's cost is the stack trace: the same rejection throws the same error.
    if (last?.rejection !== permit)
      last = { rejection: permit, error: new CircuitOpenError("PostgreSQL", permit.retryAtMs) };
    throw last.error;
  };
};
