/** What an isolate's circuit breakers do, as metrics: that of Redis, and one for each origin. */
import {
  BREAKER_STATES,
  type BreakerState,
  type Transition,
} from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { Meter } from "../../telemetry/metrics/meter.ts";
import type { Dependency } from "../breakers.ts";
import type { OriginAddress } from "../config.ts";

/** @param upstream which one it is, where there are several of one name; else empty */
export type ObserveTransition = (dependency: Dependency, transition: Transition, upstream: string) => void;

interface SeenBreaker {
  readonly dependency: Dependency;
  readonly upstream: string;
  state: BreakerState;
}

/** @param redisRejections how many commands Redis' breaker has rejected */
export const createBreakerMetrics = (
  meter: Meter,
  origins: readonly OriginAddress[],
  redisRejections: () => number,
): ObserveTransition => {
  const breakers: readonly SeenBreaker[] = [
    { dependency: "redis", upstream: "", state: "closed" },
    ...origins.map(
      ({ authority }): SeenBreaker => ({ dependency: "origin", upstream: authority, state: "closed" }),
    ),
  ];
  const changes = meter.counter({
    name: "circuit_breaker.state_changes",
    description: "Changes of a circuit breaker's state, by the new one",
    labels: ["dependency", "state", "upstream"],
  });
  let countRejections = (): void => undefined;
  // Before the counter, so that what is added when it is asked is in the same collection.
  meter.gauge(
    {
      name: "circuit_breaker.state",
      description: "1 for the state that a circuit breaker is in",
      // A gauge with the unit 1 would be called a ratio.
      unit: "{state}",
      labels: ["dependency", "state", "upstream"],
    },
    (observe) => {
      for (const { dependency, upstream, state } of breakers)
        for (const each of BREAKER_STATES) observe(each === state ? 1 : 0, dependency, each, upstream);
      countRejections();
    },
  );
  const rejections = meter.counter({
    name: "circuit_breaker.rejections",
    description: "Calls that a circuit breaker has rejected",
    labels: ["dependency"],
  });
  // There from the beginning, so that their first increments are in a rate.
  for (const { dependency, upstream } of breakers)
    for (const state of BREAKER_STATES) changes.series(dependency, state, upstream);
  const ofRedis = rejections.series("redis");
  let counted = 0;
  countRejections = () => {
    const rejected = redisRejections();
    ofRedis.add(rejected - counted);
    counted = rejected;
  };

  return (dependency, { to }, upstream) => {
    const breaker = breakers.find((each) => each.dependency === dependency && each.upstream === upstream);
    if (breaker !== undefined) breaker.state = to;
    changes.series(dependency, to, upstream).add(1);
  };
};
