/**
 * All that an isolate tells of itself: spans of requests whose trace is kept, metrics, and a line of the log for each request.
 * What it costs a request that is not sampled is a few additions and that line.
 */
import type { Context, MiddlewareHandler } from "hono";
import { createMiddleware } from "hono/factory";
import { knownMethod, spanName } from "../../lib/http.ts";
import type { LimitEvent } from "../../middleware/rate-limit/index.ts";
import type { Breaker, Transition } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { collectorAddress } from "../../telemetry/collector.ts";
import { logLine } from "../../telemetry/logging/log-line.ts";
import { createMeter } from "../../telemetry/metrics/meter.ts";
import { createSpanQueue, type SpanAttributes } from "../../telemetry/spans/span.ts";
import { isSampled, traceIdOf } from "../../telemetry/trace-context.ts";
import type { Dependency } from "../breakers.ts";
import type { EdgeConfig } from "../config.ts";
import type { EdgeEnv } from "../env.ts";
import type { SecurityEventExporter } from "../security-event-exporter.ts";
import type { AttemptEvent } from "../upstream/client.ts";
import { createSendTelemetry, createTelemetryCourier } from "./courier.ts";
import { createEdgeMetrics } from "./edge-metrics.ts";
import { type ActiveTrace, createActiveTrace, createTracing, type RequestTrace } from "./tracing.ts";

export interface EdgeTelemetry {
  readonly active: ActiveTrace;
  /** Undefined where its trace is not kept. @param startedMs epoch milliseconds */
  begin(requestId: string, startedMs: number): RequestTrace | undefined;
  /** To be called when the request has its response. */
  served(c: Context<EdgeEnv>, startedMs: number): void;
  observe(event: AttemptEvent | LimitEvent): void;
  transition(dependency: Dependency, transition: Transition, upstream: string): void;
  /** Whose rejections are counted. */
  watchRedis(breaker: Pick<Breaker, "rejections">): void;
}

export interface EdgeTelemetryDependencies {
  readonly config: EdgeConfig;
  readonly fetch: typeof globalThis.fetch;
  /** Takes lines of the log. */
  readonly writeLine: (line: string) => void;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
}

/** So many spans wait at most: as many as some hundred requests have. */
const MAX_SPANS = 2_048;

const methodOf = (c: Context<EdgeEnv>): string => knownMethod(c.req.method);
const routeOf = (c: Context<EdgeEnv>): string => c.get("route")?.route.path ?? "";

const attributesOf = (c: Context<EdgeEnv>): SpanAttributes => {
  const cacheOutcome = c.get("cacheOutcome");
  const rejectedBy = c.get("rejectedBy");
  const route = routeOf(c);
  const [limit] = c.get("limits") ?? [];
  return {
    "http.request.method": methodOf(c),
    "breakwater.request_id": c.get("requestId"),
    ...(route === "" ? {} : { "http.route": route }),
    ...(cacheOutcome === undefined ? {} : { "breakwater.cache.outcome": cacheOutcome }),
    ...(rejectedBy === undefined ? {} : { "breakwater.guard": rejectedBy }),
    ...(limit === undefined
      ? {}
      : { "breakwater.limit.outcome": limit.outcome, "breakwater.limit.mode": limit.mode }),
  };
};

/** Whether what a guard has answered is no refusal: OPTIONS, say. */
const isRefusal = (status: number): boolean => status >= 400;

export const createEdgeTelemetry = (dependencies: EdgeTelemetryDependencies): EdgeTelemetry => {
  const { config, fetch, writeLine, now, random } = dependencies;
  const { OTEL_SERVICE_NAME: serviceName, SERVICE_VERSION: serviceVersion } = config;
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers = {} } = config;
  // Where no collector is named nothing is recorded.
  const ratio = endpoint === undefined ? 0 : config.OTEL_TRACES_SAMPLER_ARG;
  const active = createActiveTrace();
  const meter = createMeter({ now });
  let redis: Pick<Breaker, "rejections"> = { rejections: 0 };
  const metrics = createEdgeMetrics({
    meter,
    origins: config.ORIGINS,
    redisRejections: () => redis.rejections,
  });
  const spans = createSpanQueue(MAX_SPANS, () => metrics.dropped("traces", "queue_full", 1));
  const beginTrace = createTracing(spans, random);
  const tend =
    endpoint === undefined
      ? undefined
      : createTelemetryCourier({
          spans,
          meter,
          metrics,
          send: createSendTelemetry({ endpoint: collectorAddress(endpoint).url, headers, fetch }),
          resource: {
            "service.name": serviceName,
            "service.version": serviceVersion,
            "service.instance.id": crypto.randomUUID(),
          },
          metricIntervalMs: config.OTEL_METRIC_EXPORT_INTERVAL,
          now,
        });
  const { ACCESS_LOG: accessLog } = config;

  const log = (c: Context<EdgeEnv>, status: number, startedMs: number, endedMs: number): void => {
    const trace = c.get("trace");
    // A line costs 33 µs: unsampled successes leave none unless ACCESS_LOG is `all`.
    const isLogged = accessLog === "all" || (accessLog === "true" && (trace !== undefined || status >= 500));
    if (!isLogged) return;
    const requestId = c.get("requestId");
    const route = routeOf(c);
    // A member that is undefined is not in the line.
    const line = logLine({
      time: new Date(endedMs).toISOString(),
      level: "info",
      message: "request",
      "service.name": serviceName,
      "service.version": serviceVersion,
      "http.request.method": methodOf(c),
      "http.route": route === "" ? undefined : route,
      "http.response.status_code": status,
      durationMs: endedMs - startedMs,
      requestId,
      trace_id: traceIdOf(requestId),
      span_id: trace?.spanId,
      sampled: trace !== undefined,
      cache: c.get("cacheOutcome"),
      attempts: c.get("attempts").length,
      "error.type": status >= 500 ? String(status) : undefined,
    });
    writeLine(line);
  };

  return {
    active,
    begin: (requestId, startedMs) => {
      const traceId = traceIdOf(requestId);
      return isSampled(traceId, ratio) ? beginTrace(traceId, startedMs) : undefined;
    },
    served: (c, startedMs) => {
      const { status } = c.res;
      const method = methodOf(c);
      const route = routeOf(c);
      const endedMs = now();
      c.get("trace")?.end(spanName(method, route), status, attributesOf(c), endedMs);
      metrics.request({
        method,
        route,
        status,
        durationMs: endedMs - startedMs,
        cacheOutcome: c.get("cacheOutcome"),
        refusedBy: isRefusal(status) ? c.get("rejectedBy") : undefined,
      });
      log(c, status, startedMs, endedMs);
      tend?.(c.get("waitUntil"));
    },
    observe: metrics.observe,
    transition: metrics.transition,
    watchRedis: (breaker) => {
      redis = breaker;
    },
  };
};

/** @param now epoch milliseconds */
export const telemetry = (
  { begin, served, active }: EdgeTelemetry,
  events: SecurityEventExporter,
  now: () => number,
): MiddlewareHandler<EdgeEnv> =>
  createMiddleware<EdgeEnv>(async function telemetry(c, next) {
    const startedAtMs = now();
    const trace = begin(c.get("requestId"), startedAtMs);
    c.set("trace", trace);
    c.set("attempts", []);
    await active.run(trace, next);
    served(c, startedAtMs);
    events.flush(c.get("waitUntil"));
  });
