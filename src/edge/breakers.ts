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

export interface OriginBreakerListeners {
  /** Called with an origin's index. */
  readonly onTransition: (origin: number, transition: Transition) => void;
  /** Called for each request that the breakers of all origins reject. */
  readonly onRejection: () => void;
}

/** Logs and counts what the origins' breakers do. @param probeInMs of an origin's breaker, for metrics */
export const watchOriginBreakers = (
  origins: readonly OriginAddress[],
  { log, breakers }: Pick<BreakerDeps, "log" | "breakers">,
  probeInMs: (origin: number) => number,
): OriginBreakerListeners => {
  const watched = origins.map(({ authority: origin }, index) => {
    const initial: { state: BreakerState; rejections: number } = { state: "closed", rejections: 0 };
    const breaker = {
      ...initial,
      get probeInMs() {
        return probeInMs(index);
      },
    };
    const countChange = breakers?.watch({ dependency: "origin", upstream: origin }, breaker);
    return { origin, breaker, countChange };
  });
  return {
    onTransition: (index, { from, to, reason }) => {
      const { origin, breaker, countChange } = watched[index] ?? {};
      if (breaker !== undefined) breaker.state = to;
      log({ level: "warn", message: "circuit breaker", dependency: "origin", origin, from, to, reason });
      countChange?.(to);
    },
    // A breaker has rejected nothing if another origin gets the request.
    onRejection: () => {
      for (const { breaker } of watched) breaker.rejections += 1;
    },
  };
};
