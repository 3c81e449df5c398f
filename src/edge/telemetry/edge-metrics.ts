/**
 * What an isolate counts and measures: by OpenTelemetry's names where it has one, else by our own. Every label's values are
 * a closed set. An isolate's clock stands still while it computes: a duration is that of what was waited for.
 */
import { GUARD_NAMES } from "../../middleware/guards.ts";
import type { LimitEvent } from "../../middleware/rate-limit/index.ts";
import type { CacheOutcome } from "../../middleware/response-cache/respond.ts";
import { HTTP_DURATION_BOUNDS_S } from "../../telemetry/metrics/instruments.ts";
import type { Meter } from "../../telemetry/metrics/meter.ts";
import type { OriginAddress } from "../config.ts";
import type { AttemptRecord } from "../upstream/attempt.ts";
import { type AttemptEvent, RETRY_DENIALS } from "../upstream/client.ts";
import { createBreakerMetrics, type ObserveTransition } from "./breaker-metrics.ts";
import { SIGNALS, type Signal } from "./courier.ts";

export interface MeasuredRequest {
  readonly method: string;
  /** The route's template; empty where no route fits. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
  readonly cacheOutcome: CacheOutcome | undefined;
  /** The guard that has refused it. */
  readonly refusedBy: string | undefined;
}

/** `queue_full`: too much waited. `export_failed`: the collector did not take it, or not in time. */
const DROP_REASONS = ["queue_full", "export_failed"] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export interface EdgeMetrics {
  request(request: MeasuredRequest): void;
  observe(event: AttemptEvent | LimitEvent): void;
  readonly transition: ObserveTransition;
  exported(signal: Signal, count: number): void;
  dropped(signal: Signal, reason: DropReason, count: number): void;
}

export interface EdgeMetricsOptions {
  readonly meter: Meter;
  /** In the order in which attempts name them. */
  readonly origins: readonly OriginAddress[];
  /** How many commands Redis' breaker has rejected. */
  readonly redisRejections: () => number;
}

const UNKNOWN_SERVER = { host: "", port: 0, authority: "" };

export const createEdgeMetrics = ({ meter, origins, redisRejections }: EdgeMetricsOptions): EdgeMetrics => {
  const servers = origins.map((origin) => ({ ...serverOf(origin.url), authority: origin.authority }));
  const requests = meter.histogram({
    name: "http.server.request.duration",
    description: "Duration of requests, by the contract's route",
    unit: "s",
    labels: ["http.request.method", "http.route", "http.response.status_code"],
    bounds: HTTP_DURATION_BOUNDS_S,
  });
  const attempts = meter.histogram({
    name: "http.client.request.duration",
    description: "Duration of attempts at origins",
    unit: "s",
    labels: [
      "http.request.method",
      "server.address",
      "server.port",
      "http.response.status_code",
      "error.type",
    ],
    bounds: HTTP_DURATION_BOUNDS_S,
  });
  const attemptOutcomes = meter.counter({
    name: "edge.attempts",
    description: "Attempts at origins, by why they were made and what came of them",
    labels: ["upstream", "cause", "outcome"],
  });
  const denials = meter.counter({
    name: "edge.retries.denied",
    description: "Failures after which there was no further attempt, by why",
    labels: ["reason"],
  });
  const refusals = meter.counter({
    name: "guard.refusals",
    description: "Requests that a guard has refused",
    labels: ["guard"],
  });
  const decisions = meter.counter({
    name: "rate_limit.decisions",
    description: "What limits said to requests, by what gave the verdict",
    labels: ["policy", "outcome", "mode"],
  });
  const cached = meter.counter({
    name: "cache.requests",
    description: "Requests of cacheable routes, by what the cache made of them",
    labels: ["http.route", "outcome"],
  });
  const exported = meter.counter({
    name: "telemetry.exported",
    description: "Spans, and sets of metrics, that the collector has taken",
    labels: ["signal"],
  });
  const dropped = meter.counter({
    name: "telemetry.dropped",
    description: "Dropped spans and sets of metrics, by reason",
    labels: ["signal", "reason"],
  });

  const transition = createBreakerMetrics(meter, origins, redisRejections);
  // There from the beginning, so that their first increments are in a rate.
  for (const guard of GUARD_NAMES) refusals.series(guard);
  for (const reason of RETRY_DENIALS) denials.series(reason);
  for (const signal of SIGNALS) {
    exported.series(signal);
    for (const reason of DROP_REASONS) dropped.series(signal, reason);
  }

  const attempted = ({ method, status, attempt }: Extract<AttemptEvent, { type: "attempt" }>): void => {
    const { origin, cause, outcome, durationMs } = attempt;
    const { host, port, authority } = servers[origin] ?? UNKNOWN_SERVER;
    attempts.series(method, host, port, status, attemptError(outcome, status)).record(durationMs / 1_000);
    attemptOutcomes.series(authority, cause, outcome).add(1);
  };

  return {
    request: ({ method, route, status, durationMs, cacheOutcome, refusedBy }) => {
      requests.series(method, route, status).record(durationMs / 1_000);
      if (cacheOutcome !== undefined) cached.series(route, cacheOutcome).add(1);
      if (refusedBy !== undefined) refusals.series(refusedBy).add(1);
    },
    observe: (event) => {
      switch (event.type) {
        case "attempt":
          attempted(event);
          break;
        case "retry_denied":
          denials.series(event.reason).add(1);
          break;
        case "limit": {
          const { limit, outcome, mode } = event.result;
          decisions.series(limit.name, outcome, mode).add(1);
        }
      }
    },
    transition,
    exported: (signal, count) => exported.series(signal).add(count),
    dropped: (signal, reason, count) => dropped.series(signal, reason).add(count),
  };
};

/** Outcomes of an attempt that its answer's status says more of. */
const ANSWERED: readonly AttemptRecord["outcome"][] = ["answered", "refused"];

/**
 * An attempt's `error.type` (OpenTelemetry, "HTTP semantic conventions", client); undefined for a success, and for an
 * attempt that lost a hedge.
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
