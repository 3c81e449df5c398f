/**
 * All that an isolate tells of itself: spans of requests whose trace is kept, metrics, and a line of the log for each request.
 * What it costs a request that is not sampled is a few additions and that line.
 */

import { knownMethod, spanName } from "../../lib/method.ts";
import type { LimitEvent } from "../../middleware/rate-limit/verdict.ts";
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { Transition } from "../../resilience/circuit-breaker/transition.ts";
import { collectorAddress } from "../../telemetry/collector-address.ts";
import { createAccessLine } from "../../telemetry/logging/access-log.ts";
import { createMeter } from "../../telemetry/metrics/meter.ts";
import type { SpanAttributes } from "../../telemetry/spans/span.ts";
import { createSpanQueue } from "../../telemetry/spans/span-queue.ts";
import { isSampled, traceIdOf } from "../../telemetry/trace-context.ts";
import type { AttemptEvent } from "../attempt-events.ts";
import type { Dependency } from "../breakers.ts";
import type { EdgeConfiguration } from "../configuration.ts";
import type { EdgeExchange } from "../edge-exchange.ts";
import { type ActiveTrace, createActiveTrace } from "./active-trace.ts";
import { createSendTelemetry } from "./collector.ts";
import { createTelemetryCourier } from "./courier.ts";
import { createEdgeMetrics } from "./edge-metrics.ts";
import type { RequestTrace } from "./request-trace.ts";
import { createTracing } from "./tracing.ts";

export interface EdgeTelemetry {
  readonly active: ActiveTrace;
  /** Undefined where its trace is not kept. @param startedMs epoch milliseconds */
  begin(exchange: EdgeExchange, startedMs: number): RequestTrace | undefined;
  /** To be called when the request has its answer. */
  served(exchange: EdgeExchange, status: number, startedMs: number): void;
  observe(event: AttemptEvent | LimitEvent): void;
  transition(dependency: Dependency, transition: Transition, upstream: string): void;
  /** Whose rejections are counted. */
  watchRedis(breaker: Pick<Breaker, "rejections">): void;
}

export interface EdgeTelemetryDependencies {
  readonly configuration: EdgeConfiguration;
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

const methodOf = ({ request }: EdgeExchange): string => knownMethod(request.method);
const routeOf = ({ entry }: EdgeExchange): string => entry?.route.path ?? "";

const attributesOf = (exchange: EdgeExchange): SpanAttributes => {
  const { requestId, cacheOutcome, limits, stoppedBy } = exchange;
  const route = routeOf(exchange);
  const [limit] = limits;
  return {
    "http.request.method": methodOf(exchange),
    "breakwater.request_id": requestId,
    ...(route === "" ? {} : { "http.route": route }),
    ...(cacheOutcome === undefined ? {} : { "breakwater.cache.outcome": cacheOutcome }),
    ...(stoppedBy === undefined ? {} : { "breakwater.guard": stoppedBy }),
    ...(limit === undefined
      ? {}
      : { "breakwater.limit.outcome": limit.outcome, "breakwater.limit.mode": limit.mode }),
  };
};

/** Whether what a guard has answered is no refusal: OPTIONS, say. */
const isRefusal = (status: number): boolean => status >= 400;

export const createEdgeTelemetry = (dependencies: EdgeTelemetryDependencies): EdgeTelemetry => {
  const { configuration, fetch, writeLine, now, random } = dependencies;
  const { OTEL_SERVICE_NAME: serviceName, SERVICE_VERSION: serviceVersion } = configuration;
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers = {} } = configuration;
  // Where no collector is named nothing is recorded.
  const ratio = endpoint === undefined ? 0 : configuration.OTEL_TRACES_SAMPLER_ARG;
  const active = createActiveTrace();
  const meter = createMeter({ now });
  let redis: Pick<Breaker, "rejections"> = { rejections: 0 };
  const metrics = createEdgeMetrics({
    meter,
    origins: configuration.ORIGINS,
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
          metricIntervalMs: configuration.OTEL_METRIC_EXPORT_INTERVAL,
          now,
        });
  const accessLine =
    configuration.ACCESS_LOG === "true" ? createAccessLine({ serviceName, serviceVersion }) : undefined;

  const log = (exchange: EdgeExchange, status: number, startedMs: number, endedMs: number): void => {
    if (accessLine === undefined) return;
    const { requestId, trace, cacheOutcome, attempts } = exchange;
    const route = routeOf(exchange);
    writeLine(
      accessLine({
        timeMs: endedMs,
        method: methodOf(exchange),
        route: route === "" ? undefined : route,
        status,
        durationMs: endedMs - startedMs,
        requestId,
        traceId: traceIdOf(requestId),
        spanId: trace?.spanId,
        sampled: trace !== undefined,
        cache: cacheOutcome,
        attempts: attempts.length,
        errorType: status >= 500 ? String(status) : undefined,
      }),
    );
  };

  return {
    active,
    begin: ({ requestId }, startedMs) => {
      const traceId = traceIdOf(requestId);
      return isSampled(traceId, ratio) ? beginTrace(traceId, startedMs) : undefined;
    },
    served: (exchange, status, startedMs) => {
      const { cacheOutcome, stoppedBy, trace } = exchange;
      const endedMs = now();
      trace?.end(spanName(methodOf(exchange), routeOf(exchange)), status, attributesOf(exchange), endedMs);
      metrics.request({
        method: methodOf(exchange),
        route: routeOf(exchange),
        status,
        durationMs: endedMs - startedMs,
        cacheOutcome,
        refusedBy: isRefusal(status) ? stoppedBy : undefined,
      });
      log(exchange, status, startedMs, endedMs);
      tend?.(exchange.inBackground);
    },
    observe: metrics.observe,
    transition: metrics.transition,
    watchRedis: (breaker) => {
      redis = breaker;
    },
  };
};
