/**
 * Retry budget: each request deposits a fraction of a retry, each retry withdraws one. A fixed number of retries per
 * request multiplies the load of an outage; a budget cannot. As in Finagle and tower
 * (https://docs.rs/tower/latest/tower/retry/budget/index.html). Hedges use one, too.
 */

export interface RetryBudgetOptions {
  /** Retries per request. */
  readonly ratio: number;
  /** Retries per second, independent of the traffic. @default 0 */
  readonly perSecond?: number;
  /** Maximum balance. */
  readonly max: number;
  /** @default max */
  readonly initial?: number;
}

export interface RetryBudget {
  /** Call once per request. */
  deposit(): void;
  /** Takes one retry, if there is one. */
  withdraw(nowMs: number): boolean;
  /** Returns a retry that was not used. */
  refund(): void;
}

export const createRetryBudget = ({
  ratio,
  perSecond = 0,
  max,
  initial = max,
}: RetryBudgetOptions): RetryBudget => {
  let balance = initial;
  let updatedAtMs: number | undefined;
  const add = (retries: number): void => {
    balance = Math.min(max, balance + retries);
  };
  return {
    deposit: () => add(ratio),
    withdraw: (nowMs) => {
      // If the clock is set back, no time has passed.
      add((perSecond * Math.max(0, nowMs - (updatedAtMs ?? nowMs))) / 1_000);
      updatedAtMs = nowMs;
      if (balance < 1) return false;
      balance -= 1;
      return true;
    },
    refund: () => add(1),
  };
};
