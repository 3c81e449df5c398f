/** The circuit breakers of a process: one per dependency, with log lines and metrics. */
import type { Meter } from "@opentelemetry/api";
import {
  type Breaker,
  type BreakerOptions,
  createBreaker,
} from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { createBreakerMetrics } from "../../telemetry/instruments.ts";
import type { OriginLog } from "../log/log.ts";

export const breakerFactory = (meter: Meter, log: OriginLog) => {
  const metrics = createBreakerMetrics(meter);
  /** @param upstream one of several services */
  return (dependency: "database" | "redis" | "http", options: BreakerOptions, upstream?: string): Breaker => {
    const breaker = createBreaker(options, {
      now: Date.now,
      random: Math.random,
      onTransition: ({ from, to, reason }) => {
        log.warn({ dependency, upstream, from, to, reason }, "circuit breaker");
        changed(to);
      },
    });
    const changed = metrics.watch(
      upstream === undefined ? { dependency } : { dependency, upstream },
      breaker,
    );
    return breaker;
  };
};
