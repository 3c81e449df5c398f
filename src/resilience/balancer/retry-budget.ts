/**
 * A share of the requests that may cost more than one attempt: each request lets it up a little, each further attempt
 * takes one. As Finagle's and tower's retry budgets, and why budgets and not counts: a count of retries multiplies the
 * load of an outage, a share of the requests never does (https://docs.rs/tower/latest/tower/retry/budget/index.html).
 */

export interface AllowanceOptions {
  /** What each request adds. */
  readonly share: number;
  /** What each second adds, however few requests there are. @default 0 */
  readonly perSecond?: number;
  /** More is not saved up. */
  readonly most: number;
  /** What there is at first. @default most */
  readonly initial?: number;
}

export interface Allowance {
  /** A request was begun. */
  request(): void;
  /** Takes one, where there is one. */
  take(nowMs: number): boolean;
  /** Gives back what was not used. */
  giveBack(): void;
}

export const createAllowance = ({
  share,
  perSecond = 0,
  most,
  initial = most,
}: AllowanceOptions): Allowance => {
  let credit = initial;
  let atMs: number | undefined;
  const add = (amount: number): void => {
    credit = Math.min(most, credit + amount);
  };
  return {
    request: () => add(share),
    take: (nowMs) => {
      // A clock that is set back adds nothing, and takes nothing.
      add((perSecond * Math.max(0, nowMs - (atMs ?? nowMs))) / 1_000);
      atMs = nowMs;
      if (credit < 1) return false;
      credit -= 1;
      return true;
    },
    giveBack: () => add(1),
  };
};
