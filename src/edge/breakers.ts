/** The edge's circuit breakers: one per dependency and isolate. Their transitions are logged and counted. */
import {
  type Breaker,
  type BreakerOptions,
  type BreakerState,
  createBreaker,
  type Transition,
} from "../resilience/circuit-breaker/circuit-breaker.ts";
import type { BreakerMetrics } from "../telemetry/instruments.ts";
import type { EdgeDeps } from "./app.ts";
import type { OriginAddress } from "./config.ts";

export interface BreakerDeps extends Pick<EdgeDeps, "now" | "random" | "log"> {
  /** @default breakers are not counted */
  readonly breakers?: BreakerMetrics | undefined;
}

/**
 * While it is open, origins look up the keys, which is slower, and each isolate limits on its own. So it
 * stays open for a second at most and closes without a ramp. The lease of a probe is for one whose request has
 * died: it exceeds the time that a command takes in a busy isolate.
 */
const REDIS_BREAKER: BreakerOptions = {
  timeoutMs: 500,
  maxTimeoutMs: 1_000,
  halfOpenTimeoutMs: 2_000,
  rampMs: 0,
};

export const createRedisBreaker = ({ now, random, log, breakers }: BreakerDeps): Breaker => {
  const breaker = createBreaker(REDIS_BREAKER, {
    now,
    random,
    onTransition: ({ from, to, reason }) => {
      log({ level: "warn", message: "circuit breaker", dependency: "redis", from, to, reason });
      countChange?.(to);
    },
  });
  const countChange = breakers?.watch({ dependency: "redis" }, breaker);
  return breaker;
};

/** @returns a listener for the transitions of the origins' breakers, by the origin's index */
export const originTransitions = (
  origins: readonly OriginAddress[],
  { log, breakers }: Pick<BreakerDeps, "log" | "breakers">,
): ((origin: number, transition: Transition) => void) => {
  const listeners = origins.map(({ authority: origin }) => {
    const last: { state: BreakerState } = { state: "closed" };
    const countChange = breakers?.watch({ dependency: "origin", upstream: origin }, last);
    return ({ from, to, reason }: Transition): void => {
      last.state = to;
      log({ level: "warn", message: "circuit breaker", dependency: "origin", origin, from, to, reason });
      countChange?.(to);
    };
  });
  return (origin, transition) => listeners[origin]?.(transition);
};
