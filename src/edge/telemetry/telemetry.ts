/** Metrics and the access log of every request, and the server span of a sampled one. */
import { type Span, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Context, MiddlewareHandler } from "hono";
import { createMiddleware } from "hono/factory";
import { knownMethod } from "../../lib/http.ts";
import type { WaitUntil } from "../../middleware/context/index.ts";
import { logLine } from "../../telemetry/logging/log-line.ts";
import { resourceOf } from "../../telemetry/resource.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { EdgeDeps } from "../app.ts";
import { edgeService } from "../config.ts";
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

interface TelemetryDeps extends Pick<EdgeDeps, "config" | "telemetry" | "now"> {
  readonly events: SecurityEventExporter;
}

export const telemetry = ({
  config,
  telemetry: { metrics, writeLine, flush },
  events,
  now,
}: TelemetryDeps): MiddlewareHandler<EdgeEnv> => {
  const { ACCESS_LOG: accessLog } = config;
  const resource = resourceOf(edgeService(config));

  return createMiddleware<EdgeEnv>(async function telemetry(c, next) {
    const startedAtMs = now();
    const span = trace.getActiveSpan();
    c.set("attempts", []);
    await next();
    const durationMs = now() - startedAtMs;
    const summary = summaryOf(c);
    count(metrics, summary, durationMs);
    if (span !== undefined) describe(c, span, summary);
    // A line costs 33 µs in workerd.
    if (accessLog === "all" || (accessLog === "true" && (span !== undefined || summary.status >= 500)))
      writeLine(
        logLine({
          time: new Date(startedAtMs + durationMs).toISOString(),
          level: "info",
          message: "request",
          ...resource,
          ...accessFields(c, span, summary, durationMs),
        }),
      );
    flush?.(c.get("waitUntil"));
    events.flush(c.get("waitUntil"));
  });
};

const summaryOf = (c: Context<EdgeEnv>) => ({
  method: knownMethod(c.req.method),
  /** The template, empty if no route matched: with paths, clients would choose the number of series. */
  route: c.get("route")?.route.path ?? "",
  status: c.res.status,
  cacheOutcome: c.get("cacheOutcome"),
  rejectedBy: c.get("rejectedBy"),
});
type Summary = ReturnType<typeof summaryOf>;

const count = (metrics: EdgeMetrics, summary: Summary, durationMs: number): void => {
  const { method, route: path, status, cacheOutcome, rejectedBy } = summary;
  metrics.request({ method, path }, status, durationMs);
  if (cacheOutcome !== undefined) metrics.cache({ path }, cacheOutcome);
  // A guard also answers OPTIONS, which is no rejection.
  if (rejectedBy !== undefined && status >= 400) metrics.refused(rejectedBy);
};

/** @param span the server span, which ends after the response */
const describe = (c: Context<EdgeEnv>, span: Span, summary: Summary): void => {
  const { method, route, status, cacheOutcome, rejectedBy } = summary;
  const [limit] = c.get("limits") ?? [];
  span.setAttributes({
    "http.request.method": method,
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

/** Undefined members are not written. */
const accessFields = (
  c: Context<EdgeEnv>,
  span: Span | undefined,
  { method, route, status, cacheOutcome }: Summary,
  durationMs: number,
) => ({
  "http.request.method": method,
  "http.route": route === "" ? undefined : route,
  "http.response.status_code": status,
  durationMs,
  requestId: c.get("requestId"),
  trace_id: traceIdOf(c.get("requestId")),
  span_id: span?.spanContext().spanId,
  sampled: span !== undefined,
  cache: cacheOutcome,
  attempts: c.get("attempts").length,
  "error.type": status >= 500 ? String(status) : undefined,
});
