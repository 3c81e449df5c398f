/** The breaker, the histogram and the log of both full stacks. */
import CircuitBreaker from "opossum";
import { pino } from "pino";
import { Histogram } from "prom-client";

/** Above any load: the limiter counts and rejects nothing. */
export const RATE_LIMIT = 1_000_000_000;

/**
 * Opossum around a database call.
 *
 * @template {(...parameters: never[]) => Promise<unknown>} Call
 * @param {Call} call
 * @returns {Call}
 */
export const guarded = (call) => {
  const breaker = new CircuitBreaker(call, {
    timeout: 5_000,
    errorThresholdPercentage: 50,
    resetTimeout: 10_000,
    // An order that cannot be placed says nothing about the database.
    errorFilter: (error) => error.status === 409,
  });
  return (...parameters) => breaker.fire(...parameters);
};

/** Seconds, by method, route and status. */
export const requestDuration = new Histogram({
  name: "http_request_duration_seconds",
  help: "Duration of HTTP requests",
  labelNames: ["method", "route", "status"],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
});

/** JSON lines on standard output, written in batches as pino recommends under load. */
export const log = pino({ level: "info" }, pino.destination({ dest: 1, sync: false, minLength: 4096 }));
