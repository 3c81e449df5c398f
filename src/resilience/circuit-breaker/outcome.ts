/** What a call's end says of the dependency that was called. */

/** What a thrown error says of it. */
export type Judgement =
  /** It failed. */
  | "failure"
  /** It answered; the call itself was refused: a constraint, a 4xx. */
  | "answer"
  /** Nothing: the caller went away, or nothing was sent. */
  | "nothing";

/** The call was not made: its dependency is not to be called now. */
export class BreakerOpenError extends Error {
  override readonly name = "BreakerOpenError";
  /** On the breaker's clock. */
  readonly retryAtMs: number;

  constructor(retryAtMs: number) {
    super("the circuit breaker is open");
    this.retryAtMs = retryAtMs;
  }
}
