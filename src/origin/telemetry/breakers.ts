/** The origin's circuit breakers: one per dependency of a process, with their log lines and metrics. */
import type { Meter } from "@opentelemetry/api";
import {
  BREAKER_STATES,
  type Breaker,
  type BreakerOptions,
  createBreaker,
} from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { OriginLog } from "../log/log.ts";

/** The values of the metrics' label. */
export type Dependency = "database" | "redis";

export type CreateDependencyBreaker = (dependency: Dependency, options: BreakerOptions) => Breaker;

/** @param meter receives the breakers' metrics */
export const breakerFactory = (meter: Meter, log: OriginLog): CreateDependencyBreaker => {
  const changes = meter.createCounter("circuit_breaker.state_changes", {
    description: "Changes of a circuit breaker's state, by the new one",
  });
  const breakers = new Map<Dependency, Breaker>();
  meter
    .createObservableGauge("circuit_breaker.state", {
      description: "1 for the state that a circuit breaker is in; of several processes, how many are",
    })
    .addCallback((result) => {
      for (const [dependency, breaker] of breakers)
        for (const state of BREAKER_STATES)
          result.observe(breaker.state === state ? 1 : 0, { dependency, state });
    });
  meter
    .createObservableCounter("circuit_breaker.rejections", {
      description: "Calls that a circuit breaker has rejected",
    })
    .addCallback((result) => {
      for (const [dependency, { rejections }] of breakers) result.observe(rejections, { dependency });
    });
  return (dependency, options) => {
    const breaker = createBreaker(options, {
      now: Date.now,
      random: Math.random,
      onTransition: ({ from, to, reason }) => {
        changes.add(1, { dependency, state: to });
        log.warn({ dependency, from, to, reason }, "circuit breaker");
      },
    });
    // From the start, so that a rate of them is never missing.
    for (const state of BREAKER_STATES) changes.add(0, { dependency, state });
    breakers.set(dependency, breaker);
    return breaker;
  };
};
