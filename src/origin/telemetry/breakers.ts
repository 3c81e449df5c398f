/** The origin's circuit breakers: one per dependency of a process, with their log lines and metrics. */
import { Counter, Gauge, type Registry } from "prom-client";
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

/** @param registry receives the breakers' metrics */
export const breakerFactory = (registry: Registry, log: OriginLog): CreateDependencyBreaker => {
  const registers = [registry];
  const changes = new Counter({
    name: "circuit_breaker_state_changes_total",
    help: "Changes of a circuit breaker's state, by the new one",
    labelNames: ["dependency", "state"],
    registers,
  });
  const breakers = new Map<Dependency, Breaker>();
  /** How many rejections of each are in the metric already. */
  const counted = new Map<Dependency, number>();
  new Gauge({
    name: "circuit_breaker_state",
    help: "1 for the state that a circuit breaker is in; of several processes, how many are",
    labelNames: ["dependency", "state"],
    registers,
    collect() {
      for (const [dependency, breaker] of breakers)
        for (const state of BREAKER_STATES)
          this.labels(dependency, state).set(breaker.state === state ? 1 : 0);
    },
  });
  new Counter({
    name: "circuit_breaker_rejections_total",
    help: "Calls that a circuit breaker has rejected",
    labelNames: ["dependency"],
    registers,
    collect() {
      for (const [dependency, { rejections }] of breakers) {
        this.labels(dependency).inc(rejections - (counted.get(dependency) ?? 0));
        counted.set(dependency, rejections);
      }
    },
  });
  return (dependency, options) => {
    const breaker = createBreaker(options, {
      now: Date.now,
      random: Math.random,
      onTransition: ({ from, to, reason }) => {
        changes.labels(dependency, to).inc();
        log.warn({ dependency, from, to, reason }, "circuit breaker");
      },
    });
    // From the start, so that a rate of them is never missing.
    for (const state of BREAKER_STATES) changes.labels(dependency, state).inc(0);
    breakers.set(dependency, breaker);
    return breaker;
  };
};
