/** The edge's breakers: one for each dependency of an isolate, told of in its log. */
import { type Breaker, createBreaker } from "../core/breaker/breaker.ts";
import type { BreakerOptions } from "../core/breaker/options.ts";
import type { Transition } from "../core/breaker/transition.ts";

export interface BreakerSurroundings {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  readonly log: (entry: Readonly<Record<string, unknown>>) => void;
}

/** By its name, from a closed set. */
export type Dependency = "redis" | "origin";

/** @param about goes into the log too: of several of one name, which one it is */
export const logTransition = (
  log: BreakerSurroundings["log"],
  dependency: Dependency,
  { from, to, reason }: Transition,
  about: Readonly<Record<string, string>> = {},
): void => log({ level: "warn", message: "circuit breaker", dependency, ...about, from, to, reason });

export const dependencyBreaker = (
  dependency: Dependency,
  options: BreakerOptions,
  { now, random, log }: BreakerSurroundings,
): Breaker =>
  createBreaker(options, {
    now,
    random,
    onTransition: (transition) => logTransition(log, dependency, transition),
  });
