/** One awaited call under a breaker. */
import type { Breaker } from "./breaker.ts";

/** The call was not made: its dependency is not to be called now. */
export class BreakerOpenError extends Error {
  override readonly name = "BreakerOpenError";
  /** On the clock that the breaker is asked by. */
  readonly retryAtMs: number;

  constructor(retryAtMs: number) {
    super("the circuit breaker is open");
    this.retryAtMs = retryAtMs;
  }
}

/** What a thrown error says of the dependency. */
export type Judgement =
  /** It failed. */
  | "failure"
  /** It answered; the call itself was refused: a constraint, a 4xx. */
  | "answer"
  /** Nothing: the caller went away, or nothing was sent. */
  | "nothing";

export interface RunDependencies {
  /** Milliseconds; any clock, always the same one. */
  readonly now: () => number;
  readonly judge: (error: unknown) => Judgement;
}

export type Run = <T>(attempt: () => Promise<T>) => Promise<T>;

/**
 * Makes calls under the breaker. It listens to nothing: whether the caller has gone is for `judge` to see.
 *
 * @returns a function that throws BreakerOpenError without calling, or what the attempt throws
 */
export const runUnder = (breaker: Breaker, { now, judge }: RunDependencies): Run => {
  /** Capturing a stack is nearly all that a rejection costs: while the time is the same, so is the error. */
  let refusal = new BreakerOpenError(Number.NaN);
  return async (attempt) => {
    const permit = breaker.tryAcquire(now());
    if (!permit.granted) {
      if (refusal.retryAtMs !== permit.retryAtMs) refusal = new BreakerOpenError(permit.retryAtMs);
      throw refusal;
    }
    try {
      const result = await attempt();
      permit.ok(now());
      return result;
    } catch (error) {
      const judgement = judge(error);
      if (judgement === "failure") permit.fail(now());
      else if (judgement === "answer") permit.ok(now());
      else permit.ignore();
      throw error;
    }
  };
};
