/** Metrics and the access log of every request, and the server span of a sampled one. */
import { type Span, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Context, MiddlewareHandler } from "hono";
import { createMiddleware } from "hono/factory";
import { knownMethod } from "../../lib/http.ts";
import type { WaitUntil } from "../../middleware/context/index.ts";
import { logLine } from "../../telemetry/logging/log-line.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { EdgeConfig } from "../config.ts";
import type { EdgeEnv } from "../env.ts";
import type { SecurityEventExporter } from "../security-event-exporter.ts";
import type { EdgeMetrics } from "./metrics.ts";

export interface EdgeTelemetry {
  readonly metrics: EdgeMetrics;
  /** Receives the access log. */
  readonly writeLine: (line: string) => void;
  /** Sends telemetry that is due. @default nothing is exported */
  readonly flush?: ((waitUntil: WaitUntil) => void) | undefined;
}

export interface TelemetryDeps {
  readonly config: EdgeConfig;
  readonly telemetry: EdgeTelemetry;
  readonly events: SecurityEventExporter;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** A path would let clients choose the number of series. @returns the template; empty if no route matched */
const routeOf = (c: Context<EdgeEnv>): string => c.get("route")?.route.path ?? "";

export const telemetry = ({
  config,
  telemetry: { metrics, writeLine, flush },
  events,
  now,
}: TelemetryDeps): MiddlewareHandler<EdgeEnv> => {
  const { ACCESS_LOG: accessLog, OTEL_SERVICE_NAME: serviceName, SERVICE_VERSION: serviceVersion } = config;

  return createMiddleware<EdgeEnv>(async function telemetry(c, next) {
    const startedAtMs = now();
    const span = trace.getActiveSpan();
    c.set("attempts", []);
    await next();
    const durationMs = now() - startedAtMs;
    const { status } = c.res;
    count(c, metrics, durationMs);
    if (span !== undefined) describe(c, span);
    // A line costs 33 µs in workerd.
    if (accessLog === "all" || (accessLog === "true" && (span !== undefined || status >= 500)))
      writeLine(
        logLine({
          time: new Date(startedAtMs + durationMs).toISOString(),
          level: "info",
          message: "request",
          "service.name": serviceName,
          "service.version": serviceVersion,
          ...accessFields(c, span, durationMs),
        }),
      );
    flush?.(c.get("waitUntil"));
    events.flush(c.get("waitUntil"));
  });
};

const count = (c: Context<EdgeEnv>, metrics: EdgeMetrics, durationMs: number): void => {
  const { status } = c.res;
  const path = routeOf(c);
  const cacheOutcome = c.get("cacheOutcome");
  const rejectedBy = c.get("rejectedBy");
  metrics.request({ method: knownMethod(c.req.method), path }, status, durationMs);
  if (cacheOutcome !== undefined) metrics.cache({ path }, cacheOutcome);
  // A guard also answers OPTIONS, which is no refusal.
  if (rejectedBy !== undefined && status >= 400) metrics.refused(rejectedBy);
};

/** @param span the server span, which ends after the response */
const describe = (c: Context<EdgeEnv>, span: Span): void => {
  const { status } = c.res;
  const route = routeOf(c);
  const cacheOutcome = c.get("cacheOutcome");
  const rejectedBy = c.get("rejectedBy");
  const [limit] = c.get("limits") ?? [];
  span.setAttributes({
    "http.request.method": knownMethod(c.req.method),
    "breakwater.request_id": c.get("requestId"),
    "http.response.status_code": status,
    ...(route === "" ? {} : { "http.route": route }),
    ...(cacheOutcome === undefined ? {} : { "breakwater.cache.outcome": cacheOutcome }),
    ...(rejectedBy === undefined ? {} : { "breakwater.guard": rejectedBy }),
    ...(limit === undefined
      ? {}
      : { "breakwater.limit.outcome": limit.outcome, "breakwater.limit.mode": limit.mode }),
  });
  if (status >= 500)
    span.setAttribute("error.type", String(status)).setStatus({ code: SpanStatusCode.ERROR });
};

/** A member that is undefined is not in the line. */
const accessFields = (c: Context<EdgeEnv>, span: Span | undefined, durationMs: number) => {
  const { status } = c.res;
  const route = routeOf(c);
  const requestId = c.get("requestId");
  return {
    "http.request.method": knownMethod(c.req.method),
    "http.route": route === "" ? undefined : route,
    "http.response.status_code": status,
    durationMs,
    requestId,
    trace_id: traceIdOf(requestId),
    span_id: span?.spanContext().spanId,
    sampled: span !== undefined,
    cache: c.get("cacheOutcome"),
    attempts: c.get("attempts").length,
    "error.type": status >= 500 ? String(status) : undefined,
  };
};
