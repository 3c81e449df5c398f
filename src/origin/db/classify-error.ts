/**
 * What an outcome says about PostgreSQL, for its circuit breaker. Outcomes are taken from the connection, not from what the
 * caller saw: the caller may have gone, and a server that rejects a statement, or cancels it at its deadline, is healthy.
 */
import type {
  Breaker,
  Outcome,
  Permit,
  Rejection,
} from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { CircuitOpenError, isFatal, isRefusedLogin, SaturatedError, sqlState } from "./errors.ts";

/** Connection exception, insufficient resources, and a server that is starting or stopping. */
const FAILURE = /^(08|53|57P)/;
/** protocol_violation: a pooler reports the loss of its server so, but also a statement with too few values. */
const PROTOCOL_VIOLATION = "08P01";

/** @param error of the driver; undefined if the statement succeeded */
export const classifyStatement = (error: unknown): Outcome => {
  if (error === undefined) return "success";
  const code = sqlState(error);
  if (code === PROTOCOL_VIOLATION) return isFatal(error) ? "failure" : "success";
  return code === undefined || FAILURE.test(code) ? "failure" : "success";
};

/** @param error with which no connection could be opened */
export const classifyOpening = (error: unknown): Outcome => {
  if (error instanceof SaturatedError) return "ignored";
  return isRefusedLogin(error) ? "success" : "failure";
};

export const settlePermit = (permit: Permit, outcome: Outcome): void => {
  if (outcome === "success") permit.ok();
  else if (outcome === "failure") permit.fail();
  else permit.ignore();
};

/** Settles the permit once the statement has succeeded or failed. */
export const settleByStatement = (permit: Permit, sent: Promise<unknown>): void => {
  sent.then(
    () => permit.ok(),
    (error: unknown) => settlePermit(permit, classifyStatement(error)),
  );
};

/** For an attempt that sent nothing: settles the permit once the connection has opened or failed, even after the caller left. */
export const settleByOpening = (permit: Permit, opening: Promise<unknown>): void => {
  opening.then(
    // It may have been open before.
    () => permit.ignore(),
    (error: unknown) => settlePermit(permit, classifyOpening(error)),
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
export type AcquirePermit = () => Permit;

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
