/**
 * The metrics of an isolate. A Worker's clock advances only during I/O, so durations exclude computation
 * (https://developers.cloudflare.com/workers/runtime-apis/performance/).
 */
import type { Attributes, Meter, ObservableGauge } from "@opentelemetry/api";
import type { DeprecatedCall } from "../../middleware/deprecation/index.ts";
import { GUARD_NAMES } from "../../middleware/guards.ts";
import type { LimitEvent } from "../../middleware/rate-limit/index.ts";
import type { EndpointView } from "../../resilience/balancer/endpoint.ts";
import {
  type BreakerMetrics,
  createBreakerMetrics,
  createCacheMetrics,
  createGuardMetrics,
  createRequestMetrics,
  createTelemetryCounts,
  HTTP_DURATION_BOUNDS_S,
  type ObserveCache,
  type ObserveRequest,
  type TelemetryCounts,
} from "../../telemetry/instruments.ts";
import type { OriginAddress } from "../config.ts";
import type { AttemptRecord } from "../upstream/attempt.ts";
import { type AttemptEvent, RETRY_DENIALS } from "../upstream/client.ts";

export type Signal = "traces" | "metrics";

export interface EdgeMetrics {
  readonly request: ObserveRequest;
  readonly cache: ObserveCache;
  /** Counts a rejected request. @param guard of `GUARD_NAMES` */
  refused(guard: string): void;
  observe(event: AttemptEvent | LimitEvent | DeprecatedCall): void;
  readonly breakers: BreakerMetrics;
  /** Observes the origins at each export. */
  watchBalancer(views: () => readonly EndpointView[]): void;
  readonly counts: TelemetryCounts<Signal, Signal>;
}

/**
 * @param origins in the order of the attempts' indices
 * @param version by which a release compares requests; an isolate has one, so it adds no series
 */
export const createEdgeMetrics = (
  meter: Meter,
  origins: readonly OriginAddress[],
  version: string,
): EdgeMetrics => {
  const servers = origins.map((origin) => ({ ...serverOf(origin.url), authority: origin.authority }));
  const attempts = meter.createHistogram("http.client.request.duration", {
    description: "Duration of attempts at origins, without those that another attempt overtook",
    unit: "s",
    advice: { explicitBucketBoundaries: HTTP_DURATION_BOUNDS_S },
  });
  const attemptOutcomes = meter.createCounter("edge.attempts", {
    description: "Attempts at origins, by cause and outcome",
  });
  const denials = meter.createCounter("edge.retries.denied", {
    description: "Failed attempts without a retry, by reason",
  });
  const refusals = meter.createCounter("guard.refusals", {
    description: "Requests rejected by a guard",
  });
  const guarded = createGuardMetrics(meter);
  // Series exist from the start, so that their first increments count in rates.
  for (const guard of GUARD_NAMES) refusals.add(0, { guard });
  for (const reason of RETRY_DENIALS) denials.add(0, { reason });

  const attempted = ({ method, status, attempt }: Extract<AttemptEvent, { type: "attempt" }>): void => {
    const { origin, cause, outcome, durationMs } = attempt;
    const server = servers[origin];
    attemptOutcomes.add(1, { upstream: server?.authority, cause, outcome });
    // It was canceled, so how long the origin takes is unknown. Its duration would make a slow origin look fast.
    if (outcome === "hedge_lost") return;
    const errorType = attemptError(outcome, status);
    const labels: Attributes = { "http.request.method": method };
    if (server !== undefined) {
      labels["server.address"] = server.host;
      labels["server.port"] = server.port;
    }
    if (status !== undefined) labels["http.response.status_code"] = status;
    if (errorType !== undefined) labels["error.type"] = errorType;
    attempts.record(durationMs / 1_000, labels);
  };

  return {
    request: createRequestMetrics(meter, { "service.version": version }),
    cache: createCacheMetrics(meter),
    refused: (guard) => refusals.add(1, { guard }),
    observe: (event) => {
      switch (event.type) {
        case "attempt":
          attempted(event);
          break;
        case "retry_denied":
          denials.add(1, { reason: event.reason });
          break;
        case "limit":
        case "deprecated_call":
          guarded(event);
      }
    },
    breakers: createBreakerMetrics(meter),
    watchBalancer: (views) => watchOrigins(meter, origins, views),
    counts: createTelemetryCounts<Signal, Signal>(meter, {
      exported: ["traces", "metrics"],
      dropped: ["traces", "metrics"],
    }),
  };
};

/** The origins as this isolate's balancer sees them. */
const watchOrigins = (
  meter: Meter,
  origins: readonly OriginAddress[],
  views: () => readonly EndpointView[],
): void => {
  const gauge = (name: string, description: string, unit = ""): ObservableGauge =>
    meter.createObservableGauge(`edge.origin.${name}`, { description, unit });
  const score = gauge("score", "Expected latency of an origin under its load; lower is better", "s");
  const warmth = gauge("warmth", "Ratio of its whole share that an origin gets after an outage, up to 1");
  const ejected = gauge("ejected", "1 while an origin gets only probes");
  const inFlight = gauge("in_flight", "Requests of the isolate that an origin works on");
  meter.addBatchObservableCallback(
    (result) => {
      for (const [index, view] of views().entries()) {
        const labels = { upstream: origins[index]?.authority };
        result.observe(score, view.scoreMs / 1_000, labels);
        result.observe(warmth, view.warmth, labels);
        result.observe(ejected, view.isEjected ? 1 : 0, labels);
        result.observe(inFlight, view.inFlight, labels);
      }
    },
    [score, warmth, ejected, inFlight],
  );
};

/** Outcomes for which the response's status is more precise. */
const ANSWERED: readonly AttemptRecord["outcome"][] = ["answered", "refused"];

/**
 * An attempt's `error.type` (OpenTelemetry semantic conventions, "HTTP client"); undefined for a success, and
 * for an attempt that lost a hedge.
 */
export const attemptError = (
  outcome: AttemptRecord["outcome"],
  status: number | undefined,
): string | undefined => {
  if (outcome === "hedge_lost") return undefined;
  if (!ANSWERED.includes(outcome)) return outcome;
  return status !== undefined && status >= 400 ? String(status) : undefined;
};

/** A server as OpenTelemetry's `server.address` and `server.port` name it. */
export const serverOf = (url: string): { readonly host: string; readonly port: number } => {
  const { hostname, port, protocol } = new URL(url);
  const byDefault = protocol === "https:" ? 443 : 80;
  return { host: hostname, port: port === "" ? byDefault : Number(port) };
};
