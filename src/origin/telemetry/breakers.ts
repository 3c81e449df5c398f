/** The origin's circuit breakers: one per dependency of a process, with their log lines and metrics. */
import type { Meter } from "@opentelemetry/api";
import {
  type Breaker,
  type BreakerOptions,
  createBreaker,
} from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { createBreakerMetrics } from "../../telemetry/instruments.ts";
import type { OriginLog } from "../log/log.ts";

/** The values of the metrics' label. */
export type Dependency = "database" | "redis";

export type CreateDependencyBreaker = (dependency: Dependency, options: BreakerOptions) => Breaker;

/** @param meter receives the breakers' metrics */
export const breakerFactory = (meter: Meter, log: OriginLog): CreateDependencyBreaker => {
  const metrics = createBreakerMetrics(meter);
  return (dependency, options) => {
    const breaker = createBreaker(options, {
      now: Date.now,
      random: Math.random,
      onTransition: ({ from, to, reason }) => {
        log.warn({ dependency, from, to, reason }, "circuit breaker");
        changed(to);
      },
    });
    const changed = metrics.watch({ dependency }, breaker);
    return breaker;
  };
};
