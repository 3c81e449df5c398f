/** The instruments of requests, caches and connections. Every label has a closed set of values. */
import type { Attributes, Meter } from "@opentelemetry/api";
import type { Route } from "../../contract/route.ts";
import type { LimitEvent } from "../../middleware/rate-limit/index.ts";
import type { CacheOutcome } from "../../middleware/response-cache/respond.ts";
import { HTTP_DURATION_BOUNDS_S } from "../../telemetry/metrics/instruments.ts";

/** Adds a gauge that is read at each scrape. @param unit UCUM: `s`, `By` */
export const readGauge = (
  meter: Meter,
  name: string,
  description: string,
  read: () => number,
  unit = "",
): void =>
  meter.createObservableGauge(name, { description, unit }).addCallback((result) => result.observe(read()));

interface ServerState {
  /** Connections to PostgreSQL. */
  readonly database: () => { readonly total: number; readonly idle: number; readonly waiting: number };
  readonly activeRequests: () => number;
}

export const observeServer = (meter: Meter, { database, activeRequests }: ServerState): void => {
  meter
    .createObservableGauge("db.client.connection.count", {
      description: "Connections to PostgreSQL, by state",
    })
    .addCallback((result) => {
      const { total, idle } = database();
      result.observe(idle, { "db.client.connection.state": "idle" });
      result.observe(total - idle, { "db.client.connection.state": "used" });
    });
  readGauge(meter, "http.server.active_requests", "Requests in progress", activeRequests);
  readGauge(
    meter,
    "db.client.connection.pending_requests",
    "Callers waiting for a connection to PostgreSQL",
    () => database().waiting,
  );
};

export type ObserveCache = (route: Route, outcome: CacheOutcome) => void;

/** @param usage of this process's memory */
export const createCacheMetrics = (
  meter: Meter,
  usage: () => { readonly entries: number; readonly bytes: number },
): ObserveCache => {
  const description = "Requests for cacheable routes, by cache outcome";
  const requests = meter.createCounter("cache.requests", { description });
  readGauge(meter, "cache.entries", "Responses cached in memory", () => usage().entries);
  readGauge(meter, "cache.size", "Approximate size of responses cached in memory", () => usage().bytes, "By");
  return ({ path }, outcome) => requests.add(1, { "http.route": path, outcome });
};

/** @param route its path is empty if no route matched @param durationMs from the request's head to the response's */
export type ObserveRequest = (
  route: { readonly method: string; readonly path: string },
  status: number,
  durationMs: number,
) => void;

export const createRequestMetrics = (meter: Meter): ObserveRequest => {
  const duration = meter.createHistogram("http.server.request.duration", {
    description: "Duration of requests, by route and status",
    unit: "s",
    advice: { explicitBucketBoundaries: [...HTTP_DURATION_BOUNDS_S] },
  });
  return ({ method, path }, status, durationMs) => {
    const labels: Attributes = { "http.request.method": method };
    if (path !== "") labels["http.route"] = path;
    labels["http.response.status_code"] = status;
    duration.record(durationMs / 1_000, labels);
  };
};

/** Decisions of rate limits, if this origin runs the guards. */
export const createLimitMetrics = (meter: Meter): ((event: LimitEvent) => void) => {
  const description = "Rate limit decisions, by policy, outcome and mode";
  const decisions = meter.createCounter("rate_limit.decisions", { description });
  return ({ result: { limit, outcome, mode } }) => decisions.add(1, { policy: limit.name, outcome, mode });
};
