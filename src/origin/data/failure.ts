/** How data access fails, whatever the driver: a closed set of typed errors, and what the driver's mean. */
import type { Scope } from "./database.ts";

/** A dependency is away, or cannot take more: trying again later may help. */
export class UnavailableError extends Error {
  override readonly name: string = "UnavailableError";
}

/** Nothing was sent: this process has as much under way as it may. It says nothing of the dependency. */
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

  /** When to try again, whole seconds from now, at least 1. */
  get retryAfterS(): number {
    return Math.max(1, Math.ceil((this.retryAtMs - Date.now()) / 1_000));
  }
}

/** Nobody waits for the answer any more: the request's deadline has passed, or its client has gone. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/** PostgreSQL refused a statement. */
export class StatementError extends Error {
  override readonly name = "StatementError";
  /** SQLSTATE, PostgreSQL's Appendix A. */
  readonly code: string;
  /** The name of the constraint that was violated. */
  readonly constraint: string | undefined;
  /** The statement's text, without its values. */
  readonly statement: string;

  constructor(statement: string, { code, message, constraint }: DriverError, cause: unknown) {
    super(message, { cause });
    this.code = code;
    this.constraint = constraint;
    this.statement = statement;
  }
}

interface DriverError {
  readonly code: string;
  readonly message: string;
  readonly constraint: string | undefined;
}

export const isUnavailable = (error: unknown): error is UnavailableError => error instanceof UnavailableError;

/** serialization_failure, deadlock_detected: the same again may succeed. */
export const isConcurrencyFailure = (error: unknown): boolean =>
  error instanceof StatementError && (error.code === "40001" || error.code === "40P01");

/** read_only_sql_transaction: where a write was meant, the server has become a standby. */
const READ_ONLY = "25006";
/** query_canceled: by statement_timeout, by a cancel request, or by an administrator. */
export const CANCELLED = "57014";
/** Connection exception, insufficient resources, operator intervention, system error. */
const AWAY_CLASSES = ["08", "53", "57", "58"];

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** What PostgreSQL itself said; undefined where the error comes from elsewhere. */
const driverError = (error: unknown): DriverError | undefined => {
  // Both drivers carry the protocol's error fields; only an answer of the server has a severity.
  if (!(error instanceof Error) || !("severity" in error) || !("code" in error)) return undefined;
  const code = textOf(error.code);
  const constraint = "constraint" in error ? textOf(error.constraint) : undefined;
  return code === undefined ? undefined : { code, message: error.message, constraint };
};

/** A WebSocket's failure is an event, not an error, and often says nothing by itself. */
const messageOf = (error: unknown): string => {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("; ");
  if (typeof error !== "object" || error === null) return String(error);
  if ("message" in error && error.message) return String(error.message);
  if ("error" in error && error.error instanceof Error) return messageOf(error.error);
  return "the connection failed";
};

/** The server's timer and this process' clock need not agree to the millisecond. */
const CLOCK_SLACK_MS = 20;

/** Whether a cancelled statement was cancelled at its own deadline; before it, it was somebody else's doing. */
export const isDue = ({ deadlineAtMs }: Scope): boolean => Date.now() >= deadlineAtMs - CLOCK_SLACK_MS;

/** Wrong credentials and an unknown database are what a configuration got wrong: waiting does not mend them. */
const REFUSED_CLASSES = ["28", "3D"];

/**
 * The typed error for what a driver threw.
 *
 * @param statement the text that failed; undefined while connecting
 */
export const failureOf = (error: unknown, statement: string | undefined, scope: Scope): Error => {
  if (
    error instanceof UnavailableError ||
    error instanceof DeadlineError ||
    error instanceof StatementError
  ) {
    return error;
  }
  const ended = scope.ended;
  if (ended !== undefined) return new DeadlineError(`the request has ended (${ended})`, { cause: error });
  const said = driverError(error);
  if (said === undefined) return new UnavailableError(messageOf(error), { cause: error });
  const { code } = said;
  if (code === CANCELLED && isDue(scope)) {
    return new DeadlineError("the statement took longer than the request's deadline", { cause: error });
  }
  if (AWAY_CLASSES.includes(code.slice(0, 2)) || (code === READ_ONLY && !scope.readOnly)) {
    return new UnavailableError(said.message, { cause: error });
  }
  if (statement === undefined && !REFUSED_CLASSES.includes(code.slice(0, 2))) {
    return new UnavailableError(said.message, { cause: error });
  }
  return new StatementError(statement ?? "", said, error);
};

/** What the server has said may be wrapped in what was made of it. */
const MAX_CAUSES = 5;

/** Whether the server has said that it takes no writes: connections to it are of no more use. */
export const isReadOnlyServer = (error: unknown): boolean => {
  let cause = error;
  for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth += 1) {
    if (driverError(cause)?.code === READ_ONLY) return true;
    cause = cause.cause;
  }
  return false;
};

/** Whether PostgreSQL itself answered with this error, so that the connection is still whole. */
export const isServersAnswer = (error: unknown): boolean => {
  const code = driverError(error)?.code;
  // 57P0x end the connection; every other error leaves it usable.
  return code !== undefined && !code.startsWith("57P") && !code.startsWith("08");
};

export const sqlState = (error: unknown): string | undefined => driverError(error)?.code;

/** Whether PostgreSQL ended the connection with it. */
export const isFatal = (error: unknown): boolean =>
  error instanceof Error && "severity" in error && (error.severity === "FATAL" || error.severity === "PANIC");

/** Whether PostgreSQL does not let us in, as we are: it is there. */
export const isRefusedLogin = (error: unknown): boolean =>
  REFUSED_CLASSES.includes(driverError(error)?.code.slice(0, 2) ?? "");

/**
 * A prepared statement that this connection does not know, or knows with another result: a changed table
 * (0A000 "cached plan must not change result type"), or a pooler that hands connections around (26000, 42P05).
 */
const isStale = (code: string, message: string): boolean =>
  code === "26000" || code === "42P05" || (code === "0A000" && message.includes("cached plan"));

export const isStalePlan = (error: unknown): error is StatementError =>
  error instanceof StatementError && isStale(error.code, error.message);

/** The same of a driver's error. */
export const isStaleState = (error: unknown): boolean => {
  const said = driverError(error);
  return said !== undefined && isStale(said.code, said.message);
};
