/** What the requests' metrics are, by OpenTelemetry's names ("HTTP metrics", stable) in Prometheus' form. */
import type { Registry } from "prom-client";
import { HTTP_DURATION_BOUNDS_S } from "../../telemetry/http-duration-bounds.ts";
import { createHistogram } from "./histogram.ts";

/** @param route as the contract has it @param durationMs from the request's head to its answer's */
export type ObserveRequest = (
  route: { readonly method: string; readonly path: string },
  status: number,
  durationMs: number,
) => void;

export const createRequestMetrics = (registry: Registry): ObserveRequest => {
  const observe = createHistogram({
    name: "http_server_request_duration_seconds",
    help: "Duration of requests, by the contract's route",
    labels: ["http_request_method", "http_route", "http_response_status_code"],
    bounds: HTTP_DURATION_BOUNDS_S,
    registry,
  });
  return ({ method, path }, status, durationMs) => observe(durationMs / 1000, method, path, status);
};
