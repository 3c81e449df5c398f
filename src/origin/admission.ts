/** Leave to begin a request's work: under overload some is refused before anything has been done for it. */
import type { Route } from "../contract/route.ts";
import type { Scope } from "./db/database.ts";

/** The work was not begun: there is more of it than can be done in time. */
export class ShedError extends Error {
  override readonly name = "ShedError";
  /** When to try again, seconds. */
  readonly retryAfterS: number;

  constructor(retryAfterS: number) {
    super("the origin has more work than it can do in time");
    this.retryAfterS = retryAfterS;
  }
}

export interface Admission {
  /**
   * Does the work when its turn comes.
   *
   * @param name the route's operation name
   * @throws ShedError where it is not begun; DeadlineError where nobody waits any more; what the work throws
   */
  run<T>(name: string, route: Route, scope: Scope, work: () => Promise<T>): Promise<T>;
}
