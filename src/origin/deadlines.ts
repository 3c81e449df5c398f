/** Ends requests at their deadlines: one timer for all of them, which runs while there are any. */
import type { RequestScope } from "./request-scope.ts";

export interface Deadlines {
  /** Watches over a request until `leave`. */
  enter(scope: RequestScope): void;
  leave(scope: RequestScope): void;
  readonly inFlight: number;
}

/** How late a deadline may be noticed, milliseconds. */
const SWEEP_INTERVAL_MS = 20;

/** @param now epoch milliseconds */
export const createDeadlines = (now: () => number): Deadlines => {
  const scopes = new Set<RequestScope>();
  let timer: NodeJS.Timeout | undefined;

  const sweep = (): void => {
    const nowMs = now();
    for (const scope of scopes) if (scope.deadlineAtMs <= nowMs) scope.end("deadline");
    if (scopes.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  return {
    enter: (scope) => {
      scopes.add(scope);
      timer ??= setInterval(sweep, SWEEP_INTERVAL_MS);
    },
    leave: (scope) => void scopes.delete(scope),
    get inFlight() {
      return scopes.size;
    },
  };
};
