/** The edge's circuit breakers: one per dependency and isolate. Their transitions are logged and counted. */
import type { Log } from "../middleware/problems/index.ts";
import {
  type Breaker,
  type BreakerOptions,
  type BreakerState,
  createBreaker,
  type Transition,
} from "../resilience/circuit-breaker/circuit-breaker.ts";
import type { BreakerMetrics } from "../telemetry/instruments.ts";
import type { OriginAddress } from "./config.ts";

export interface BreakerDeps {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  /** @default breakers are not counted */
  readonly breakers?: BreakerMetrics | undefined;
}

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

export const createRedisBreaker = ({ now, random, log, breakers }: BreakerDeps): Breaker => {
  const breaker = createBreaker(REDIS_BREAKER, {
    now,
    random,
    onTransition: ({ from, to, reason }) => {
      log({ level: "warn", message: "circuit breaker", dependency: "redis", from, to, reason });
      changed?.(to);
    },
  });
  const changed = breakers?.watch({ dependency: "redis" }, breaker);
  return breaker;
};

/** @returns to be called with each transition of the breaker of an origin, by its index */
export const originTransitions = (
  origins: readonly OriginAddress[],
  { log, breakers }: Pick<BreakerDeps, "log" | "breakers">,
): ((origin: number, transition: Transition) => void) => {
  const reports = origins.map(({ authority }) => {
    const seen: { state: BreakerState } = { state: "closed" };
    const changed = breakers?.watch({ dependency: "origin", upstream: authority }, seen);
    return ({ from, to, reason }: Transition): void => {
      seen.state = to;
      const origin = authority;
      log({ level: "warn", message: "circuit breaker", dependency: "origin", origin, from, to, reason });
      changed?.(to);
    };
  });
  return (origin, transition) => reports[origin]?.(transition);
};
