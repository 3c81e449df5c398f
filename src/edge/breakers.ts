/** The edge's breakers: one for each dependency of an isolate, told of in its log. */
import { type Breaker, createBreaker } from "../core/breaker/breaker.ts";
import type { BreakerOptions } from "../core/breaker/options.ts";

export interface BreakerSurroundings {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  readonly log: (entry: Readonly<Record<string, unknown>>) => void;
}

/**
 * @param dependency its name, from a closed set
 * @param about goes into the log too: of several of one name, which one it is
 */
export const dependencyBreaker = (
  dependency: "redis" | "origin",
  options: BreakerOptions,
  { now, random, log }: BreakerSurroundings,
  about: Readonly<Record<string, string>> = {},
): Breaker =>
  createBreaker(options, {
    now,
    random,
    onTransition: ({ from, to, reason }) =>
      log({ level: "warn", message: "circuit breaker", dependency, ...about, from, to, reason }),
  });
