/** The edge's breakers: one for each dependency of an isolate, told of in its log. */

import type { Transition } from "../resilience/circuit-breaker/circuit-breaker.ts";
import { type Breaker, createBreaker } from "../resilience/circuit-breaker/circuit-breaker.ts";
import type { BreakerOptions } from "../resilience/circuit-breaker/options.ts";

export interface BreakerSurroundings {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  readonly log: (entry: Readonly<Record<string, unknown>>) => void;
  /** Told of each change too. @param upstream which one, where there are several of one name @default nobody is */
  readonly onTransition?:
    | ((dependency: Dependency, transition: Transition, upstream: string) => void)
    | undefined;
}

/** By its name, from a closed set. */
export type Dependency = "redis" | "origin";

/** @param upstream of several of one name, which one it is; else empty */
export const tellTransition = (
  { log, onTransition }: Pick<BreakerSurroundings, "log" | "onTransition">,
  dependency: Dependency,
  transition: Transition,
  upstream = "",
): void => {
  const { from, to, reason } = transition;
  const about = upstream === "" ? {} : { origin: upstream };
  log({ level: "warn", message: "circuit breaker", dependency, ...about, from, to, reason });
  onTransition?.(dependency, transition, upstream);
};

export const dependencyBreaker = (
  dependency: Dependency,
  options: BreakerOptions,
  surroundings: BreakerSurroundings,
): Breaker =>
  createBreaker(options, {
    now: surroundings.now,
    random: surroundings.random,
    onTransition: (transition) => tellTransition(surroundings, dependency, transition),
  });
