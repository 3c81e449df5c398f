/** Runs a transaction again that failed by no fault of its own, with full jitter, within its deadline. */
import { setTimeout as pauseFor } from "node:timers/promises";
import type { Scope } from "./database.ts";
import { isConcurrencyFailure, isStalePlan } from "./failure.ts";

const MAX_TRIES = 8;
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 250;

export interface RetryDependencies {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  /** A prepared statement was not what the connection has. */
  readonly onStalePlan: (error: unknown) => void;
  /** Resolves after so many milliseconds. @default the runtime's own */
  readonly pause?: (ms: number) => Promise<unknown>;
}

/** @throws what the last try threw */
export const withRetries = async <T>(
  scope: Scope,
  attempt: () => Promise<T>,
  { now, random, onStalePlan, pause = pauseFor }: RetryDependencies,
): Promise<T> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      const isStale = isStalePlan(error);
      if (isStale) onStalePlan(error);
      if (tries === MAX_TRIES || scope.ended !== undefined || !(isStale || isConcurrencyFailure(error)))
        throw error;
      const pauseMs = isStale ? 0 : random() * Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS);
      if (now() + pauseMs >= scope.deadlineAtMs) throw error;
      if (pauseMs > 0) await pause(pauseMs);
    }
  }
};
