import { sleep } from "../../lib/async.ts";
import type { Scope } from "./database.ts";
import { isConcurrencyFailure, isStalePlan } from "./errors.ts";

const MAX_TRIES = 8;
const FIRST_PAUSE_MS = 5;
const MAX_PAUSE_MS = 250;

export interface RetryDependencies {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  /** The connection did not have a prepared statement as expected. */
  readonly onStalePlan: (error: unknown) => void;
  /** @default the runtime's timer */
  readonly pause?: (ms: number) => Promise<unknown>;
}

/**
 * Runs an attempt again that failed for a reason of concurrency or a stale plan, with full jitter, within the deadline.
 *
 * @throws what the last attempt threw
 */
export const withRetries = async <T>(
  scope: Scope,
  attempt: () => Promise<T>,
  { now, random, onStalePlan, pause = sleep }: RetryDependencies,
): Promise<T> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      const isStale = isStalePlan(error);
      if (isStale) onStalePlan(error);
      if (tries === MAX_TRIES || scope.ended !== undefined || !(isStale || isConcurrencyFailure(error)))
        throw error;
      const pauseMs = isStale ? 0 : random() * Math.min(FIRST_PAUSE_MS * 2 ** tries, MAX_PAUSE_MS);
      if (now() + pauseMs >= scope.deadlineAtMs) throw error;
      if (pauseMs > 0) await pause(pauseMs);
    }
  }
};
