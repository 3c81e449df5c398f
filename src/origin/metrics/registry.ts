/** Prometheus metrics of the process itself. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Route } from "../../contract/route.ts";
import type { LimitEvent } from "../../middleware/rate-limit/index.ts";
import type { CacheOutcome } from "../../middleware/response-cache/respond.ts";
import { HTTP_DURATION_BOUNDS_S } from "../../telemetry/metrics/instruments.ts";

/** Adds a gauge that is read at each scrape. */
export const readGauge = (registry: Registry, name: string, help: string, read: () => number): void => {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
};

interface ProcessMetrics {
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** Connections to PostgreSQL. */
  readonly database: () => { readonly total: number; readonly idle: number; readonly waiting: number };
  readonly activeRequests: () => number;
}

/** @returns the registry, with the process's metrics @param registry @default a new one */
export const createRegistry = (metrics: ProcessMetrics, registry = new Registry()): Registry => {
  const { serviceName, serviceVersion, database, activeRequests } = metrics;
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: "target_info",
    help: "Name and version of the service",
    labelNames: ["service_name", "service_version"],
    aggregator: "first",
    registers: [registry],
  }).set({ service_name: serviceName, service_version: serviceVersion }, 1);
  new Gauge({
    name: "db_client_connection_count",
    help: "Connections to PostgreSQL, by state",
    labelNames: ["db_client_connection_state"],
    registers: [registry],
    collect() {
      const { total, idle } = database();
      this.set({ db_client_connection_state: "idle" }, idle);
      this.set({ db_client_connection_state: "used" }, total - idle);
    },
  });
  readGauge(registry, "http_server_active_requests", "Requests in progress", activeRequests);
  readGauge(
    registry,
    "db_client_connection_pending_requests",
    "Callers waiting for a connection to PostgreSQL",
    () => database().waiting,
  );
  return registry;
};

export type ObserveCache = (route: Route, outcome: CacheOutcome) => void;

/** @param usage of this process's memory */
export const createCacheMetrics = (
  registry: Registry,
  usage: () => { readonly entries: number; readonly bytes: number },
): ObserveCache => {
  const requests = new Counter({
    name: "cache_requests_total",
    help: "Requests for cacheable routes, by cache outcome",
    labelNames: ["http_route", "outcome"],
    registers: [registry],
  });
  readGauge(registry, "cache_entries", "Responses cached in memory", () => usage().entries);
  readGauge(
    registry,
    "cache_size_bytes",
    "Approximate size of responses cached in memory",
    () => usage().bytes,
  );
  return ({ path }, outcome) => requests.inc({ http_route: path, outcome });
};

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
