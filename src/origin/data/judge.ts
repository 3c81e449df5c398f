/**
 * What the wire shows of PostgreSQL, told to the breaker before it. What a caller was told does not count: it may be
 * gone by then, and a server that refuses a statement, or cancels it at its deadline, is well.
 */
import type {
  Breaker,
  Outcome,
  Permit,
  Rejection,
} from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { CircuitOpenError, isFatal, isRefusedLogin, SaturatedError, sqlState } from "./failure.ts";

/** Connection exception, insufficient resources, and a server that is going or coming. */
const FAILURE = /^(08|53|57P)/;
/** protocol_violation: a pooler's word for its server's loss, but also a statement's with too few values. */
const PROTOCOL_VIOLATION = "08P01";

/** @param error of the driver's callback; undefined where the statement was done */
export const judgeStatement = (error: unknown): Outcome => {
  if (error === undefined) return "success";
  const code = sqlState(error);
  if (code === PROTOCOL_VIOLATION) return isFatal(error) ? "failure" : "success";
  return code === undefined || FAILURE.test(code) ? "failure" : "success";
};

/** @param error with which a connection was not to be had */
export const judgeOpening = (error: unknown): Outcome => {
  if (error instanceof SaturatedError) return "ignored";
  return isRefusedLogin(error) ? "success" : "failure";
};

export const tell = (permit: Permit, judgement: Outcome): void => {
  if (judgement === "success") permit.ok();
  else if (judgement === "failure") permit.fail();
  else permit.ignore();
};

/**
 * For an attempt that ends without having sent anything: what becomes of the connection that it has asked for is told
 * when it is known, long after the caller has gone where need be.
 */
export const tellOpening = (permit: Permit, opening: Promise<unknown>): void => {
  opening.then(
    // It may be one that was there already.
    () => permit.ignore(),
    (error: unknown) => tell(permit, judgeOpening(error)),
  );
};

const UNGUARDED: Permit = {
  granted: true,
  ok: () => undefined,
  fail: () => undefined,
  ignore: () => undefined,
};

/**
 * Asks for leave to make one attempt. Who gets it has it settled by what happens on the wire.
 *
 * @throws CircuitOpenError
 */
export type Ask = () => Permit;

/** @param breaker without one everything may be tried */
export const asking = (breaker: Breaker | undefined): Ask => {
  if (breaker === undefined) return () => UNGUARDED;
  let last: { readonly rejection: Rejection; readonly error: CircuitOpenError } | undefined;
  return () => {
    const answer = breaker.tryAcquire();
    if (answer.granted) return answer;
    // Capturing a stack is nearly all that it costs: while the rejection is the same, so is the error.
    if (last?.rejection !== answer)
      last = { rejection: answer, error: new CircuitOpenError("PostgreSQL", answer.retryAtMs) };
    throw last.error;
  };
};
