/** What the requests' metrics are, by OpenTelemetry's names ("HTTP metrics", stable) in Prometheus' form. */
import { Histogram, type Registry } from "prom-client";
import { HTTP_DURATION_BOUNDS_S } from "../../core/telemetry/http-duration-bounds.ts";

/** @param route as the contract has it @param durationMs from the request's head to its answer's */
export type ObserveRequest = (
  route: { readonly method: string; readonly path: string },
  status: number,
  durationMs: number,
) => void;

export const createRequestMetrics = (registry: Registry): ObserveRequest => {
  const duration = new Histogram({
    name: "http_server_request_duration_seconds",
    help: "Duration of requests, by the contract's route",
    labelNames: ["http_request_method", "http_route", "http_response_status_code"],
    buckets: [...HTTP_DURATION_BOUNDS_S],
    registers: [registry],
  });
  /** As many as there are routes and statuses. */
  const series = new Map<string, { observe(seconds: number): void }>();
  return ({ method, path }, status, durationMs) => {
    const name = `${method} ${path} ${status}`;
    let each = series.get(name);
    if (each === undefined) {
      each = duration.labels(method, path, String(status));
      series.set(name, each);
    }
    each.observe(durationMs / 1000);
  };
};
