/** Prometheus metrics of requests. */
import { Counter, Histogram, type Registry } from "prom-client";
import type { LimitEvent } from "../../middleware/rate-limit/index.ts";
import { HTTP_DURATION_BOUNDS_S } from "../../telemetry/http-duration-bounds.ts";

/** @param route its path is empty if no route matched @param durationMs from the request's head to the response's */
export type ObserveRequest = (
  route: { readonly method: string; readonly path: string },
  status: number,
  durationMs: number,
) => void;

/** OpenTelemetry's `http.server.request.duration` under its Prometheus name. */
export const createRequestMetrics = (registry: Registry): ObserveRequest => {
  const duration = new Histogram({
    name: "http_server_request_duration_seconds",
    help: "Duration of requests, by route and status",
    labelNames: ["http_request_method", "http_route", "http_response_status_code"],
    buckets: [...HTTP_DURATION_BOUNDS_S],
    registers: [registry],
  });
  return ({ method, path }, status, durationMs) => {
    const route = path === "" ? {} : { http_route: path };
    const labels = { http_request_method: method, ...route, http_response_status_code: status };
    duration.observe(labels, durationMs / 1000);
  };
};

/** Decisions of rate limits, if this origin runs the guards. */
export const createLimitMetrics = (registry: Registry): ((event: LimitEvent) => void) => {
  const decisions = new Counter({
    name: "rate_limit_decisions_total",
    help: "Rate limit decisions, by policy, outcome and mode",
    labelNames: ["policy", "outcome", "mode"],
    registers: [registry],
  });
  return ({ result: { limit, outcome, mode } }) => decisions.inc({ policy: limit.name, outcome, mode });
};
