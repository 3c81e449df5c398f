/** The edge's circuit breakers: one per dependency and isolate. Their transitions are logged and counted. */

import type { Log } from "../middleware/problems/index.ts";
import {
  type Breaker,
  type BreakerOptions,
  createBreaker,
  type Transition,
} from "../resilience/circuit-breaker/circuit-breaker.ts";

/** A closed set, for metric labels. */
export type Dependency = "redis" | "origin";

export interface BreakerDeps {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  /** @param upstream the origin's authority; empty for Redis @default none */
  readonly onTransition?:
    | ((dependency: Dependency, transition: Transition, upstream: string) => void)
    | undefined;
}

export const reportTransition = (
  { log, onTransition }: Pick<BreakerDeps, "log" | "onTransition">,
  dependency: Dependency,
  transition: Transition,
  upstream = "",
): void => {
  const { from, to, reason } = transition;
  const origin = upstream === "" ? {} : { origin: upstream };
  log({ level: "warn", message: "circuit breaker", dependency, ...origin, from, to, reason });
  onTransition?.(dependency, transition, upstream);
};

/**
 * While it is open, keys are looked up at an origin, which is slower, and each isolate limits on its own. So it opens for a
 * second at most and closes without a ramp: a command is little work. A probe may take twice as long as a command.
 */
const REDIS_BREAKER: BreakerOptions = {
  timeoutMs: 500,
  maxTimeoutMs: 1_000,
  halfOpenTimeoutMs: 300,
  rampMs: 0,
};

export const createRedisBreaker = (deps: BreakerDeps): Breaker =>
  createBreaker(REDIS_BREAKER, {
    now: deps.now,
    random: deps.random,
    onTransition: (transition) => reportTransition(deps, "redis", transition),
  });
