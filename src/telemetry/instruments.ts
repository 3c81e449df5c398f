/** The instruments of both tiers, each declared once. Every label has a closed set of values. */
import type { Attributes, Meter } from "@opentelemetry/api";
import type { DeprecatedCall } from "../middleware/deprecation/index.ts";
import type { LimitEvent } from "../middleware/rate-limit/index.ts";
import type { CacheOutcome } from "../middleware/response-cache/respond.ts";
import { BREAKER_STATES, type BreakerState } from "../resilience/circuit-breaker/circuit-breaker.ts";

/** Bucket bounds of HTTP durations, seconds (OpenTelemetry, "Semantic conventions for HTTP metrics"). */
export const HTTP_DURATION_BOUNDS_S = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

/** @param path the route's, or empty @param durationMs from the request's head to the response's */
export type ObserveRequest = (
  route: { readonly method: string; readonly path: string },
  status: number,
  durationMs: number,
) => void;

/** @param more labels of each series */
export const createRequestMetrics = (meter: Meter, more: Attributes = {}): ObserveRequest => {
  const duration = meter.createHistogram("http.server.request.duration", {
    description: "Duration of requests, by route and status",
    unit: "s",
    advice: { explicitBucketBoundaries: HTTP_DURATION_BOUNDS_S },
  });
  return ({ method, path }, status, durationMs) => {
    const labels: Attributes = { ...more, "http.request.method": method };
    if (path !== "") labels["http.route"] = path;
    labels["http.response.status_code"] = status;
    duration.record(durationMs / 1_000, labels);
  };
};

/** @param path the route's */
export type ObserveCache = (route: { readonly path: string }, outcome: CacheOutcome) => void;

export const createCacheMetrics = (meter: Meter): ObserveCache => {
  const requests = meter.createCounter("cache.requests", {
    description: "Requests for cacheable routes, by cache outcome",
  });
  return ({ path }, outcome) => requests.add(1, { "http.route": path, outcome });
};

/** The events of guards. */
export const createGuardMetrics = (meter: Meter): ((event: LimitEvent | DeprecatedCall) => void) => {
  const decisions = meter.createCounter("rate_limit.decisions", {
    description: "Rate limit decisions, by policy, outcome and mode",
  });
  const deprecatedCalls = meter.createCounter("deprecated_requests", {
    description: "Requests for deprecated routes, by principal; empty for an anonymous client",
  });
  return (event) => {
    if (event.type === "limit") {
      const { limit, outcome, mode } = event.result;
      decisions.add(1, { policy: limit.name, outcome, mode });
    } else {
      const { method, path, principal = "" } = event;
      deprecatedCalls.add(1, { "http.request.method": method, "http.route": path, principal });
    }
  };
};

/** `upstream`: one of several instances of a dependency. */
type BreakerLabels = {
  readonly dependency: "database" | "http" | "origin" | "redis";
  readonly upstream?: string;
};

interface WatchedBreaker {
  readonly state: BreakerState;
  /** Number of rejected calls. @default not counted */
  readonly rejections?: number;
  /** Milliseconds. */
  readonly probeInMs: number;
}

export interface BreakerMetrics {
  /** @returns a function to call with each new state of the breaker */
  watch(labels: BreakerLabels, breaker: WatchedBreaker): (to: BreakerState) => void;
}

export const createBreakerMetrics = (meter: Meter): BreakerMetrics => {
  const watched: { readonly labels: BreakerLabels; readonly breaker: WatchedBreaker }[] = [];
  const changes = meter.createCounter("circuit_breaker.state_changes", {
    description: "Changes of a circuit breaker's state, by new state",
  });
  meter
    .createObservableGauge("circuit_breaker.state", {
      description: "1 for the current state of a circuit breaker; summed over processes",
    })
    .addCallback((result) => {
      for (const { labels, breaker } of watched)
        for (const state of BREAKER_STATES)
          result.observe(breaker.state === state ? 1 : 0, { ...labels, state });
    });
  meter
    .createObservableCounter("circuit_breaker.rejections", {
      description: "Calls rejected by a circuit breaker",
    })
    .addCallback((result) => {
      for (const { labels, breaker } of watched)
        if (breaker.rejections !== undefined) result.observe(breaker.rejections, labels);
    });
  meter
    .createObservableGauge("circuit_breaker.time_until_probe", {
      description: "Time until an open circuit breaker admits a probe; 0 in another state",
      unit: "s",
    })
    .addCallback((result) => {
      for (const { labels, breaker } of watched) result.observe(breaker.probeInMs / 1_000, labels);
    });
  return {
    watch: (labels, breaker) => {
      watched.push({ labels, breaker });
      // Series exist from the start, so that their first increments count in rates.
      for (const state of BREAKER_STATES) changes.add(0, { ...labels, state });
      return (state) => changes.add(1, { ...labels, state });
    },
  };
};

/** `export_failed`: the collector did not accept the data in time. */
const DROP_REASONS = ["queue_full", "export_failed"] as const;
type DropReason = (typeof DROP_REASONS)[number];

export interface TelemetryCounts<Exported extends string, Dropped extends string> {
  exported(signal: Exported, count: number): void;
  dropped(signal: Dropped, reason: DropReason, count: number): void;
}

/** Counts exported and lost telemetry. */
export const createTelemetryCounts = <Exported extends string, Dropped extends string>(
  meter: Meter,
  signals: { readonly exported: readonly Exported[]; readonly dropped: readonly Dropped[] },
): TelemetryCounts<Exported, Dropped> => {
  const exported = meter.createCounter("telemetry.exported", {
    description: "Spans and sets of metrics accepted by the collector",
  });
  const dropped = meter.createCounter("telemetry.dropped", {
    description: "Dropped spans, sets of metrics and log lines, by reason",
  });
  // Series exist from the start, so that their first increments count in rates.
  for (const signal of signals.exported) exported.add(0, { signal });
  for (const signal of signals.dropped) for (const reason of DROP_REASONS) dropped.add(0, { signal, reason });
  return {
    exported: (signal, count) => exported.add(count, { signal }),
    dropped: (signal, reason, count) => dropped.add(count, { signal, reason }),
  };
};
