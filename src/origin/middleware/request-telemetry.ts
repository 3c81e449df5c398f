/** Metrics, access log and server span of every request, also of a rejected one. */
import {
  context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { matchedRoutes } from "hono/route";
import { knownMethod, spanName } from "../../lib/http.ts";
import type { ObserveRequest } from "../../telemetry/instruments.ts";
import { isSampled, traceIdOf } from "../../telemetry/trace-context.ts";
import type { OriginLog } from "../log/log.ts";
import { rootTrace } from "../telemetry/tracing.ts";
import type { OriginContext, OriginMiddleware } from "./context.ts";

export interface RequestTelemetry {
  readonly observe: ObserveRequest;
  /** @default no span is recorded */
  readonly tracer?: Tracer | undefined;
  /** The share of traces that is sampled if the edge has not decided, within [0, 1]. @default 0 */
  readonly samplingRate?: number;
  /** `true`: a line for sampled requests and for responses from 500 on. @default none */
  readonly accessLog?: "true" | "all" | "false";
  /** Receives the lines. */
  readonly log?: Pick<OriginLog, "info">;
}

/**
 * Recorded if the client disconnected before the response, as the edge does when another origin was faster.
 * nginx's status for it: with the response's own status, hedges would look like failures.
 */
const CLIENT_CLOSED_REQUEST = 499;

const statusOf = (c: OriginContext): number =>
  c.env?.outgoing?.destroyed === true ? CLIENT_CLOSED_REQUEST : c.res.status;

/** The contract's route, never the path itself: clients could create any number of series. */
const routeOf = (c: OriginContext): { readonly method: string; readonly path: string } =>
  matchedRoutes(c).find(({ path }) => !path.endsWith("*")) ?? {
    method: knownMethod(c.req.method),
    path: "",
  };

const endSpan = (span: Span, c: OriginContext, status: number, errorType: string | undefined): void => {
  const cacheOutcome = c.get("cacheOutcome");
  span.setAttribute("http.response.status_code", status);
  if (cacheOutcome !== undefined) span.setAttribute("breakwater.cache.outcome", cacheOutcome);
  if (errorType !== undefined)
    span.setAttribute("error.type", errorType).setStatus({ code: SpanStatusCode.ERROR });
  span.end(performance.now());
};

/** Stands before everything that can reject a request. */
export const requestTelemetry =
  ({ observe, accessLog = "false", log }: RequestTelemetry): OriginMiddleware =>
  async (c, next) => {
    c.set("receivedAtMs", performance.now());
    await next();
    const durationMs = performance.now() - c.get("receivedAtMs");
    const { method, path } = routeOf(c);
    const span = c.get("span");
    const status = statusOf(c);
    const errorType = status >= 500 ? String(status) : undefined;
    observe({ method, path }, status, durationMs);
    if (span !== undefined) endSpan(span, c, status, errorType);
    const isLogged = accessLog === "all" || (accessLog === "true" && (span !== undefined || status >= 500));
    if (!isLogged) return;
    // The log leaves out undefined members, and adds the trace id.
    log?.info(
      {
        "http.request.method": method,
        "http.route": path === "" ? undefined : path,
        "http.response.status_code": status,
        durationMs: Math.round(durationMs * 1_000) / 1_000,
        requestId: c.get("requestId"),
        span_id: span?.spanContext().spanId,
        sampled: span !== undefined,
        cache: c.get("cacheOutcome"),
        "error.type": errorType,
      },
      "request",
    );
  };

/** @returns undefined if the request is not sampled */
const startSpan = (c: OriginContext, tracer: Tracer, samplingRate: number): Span | undefined => {
  const { method, path } = routeOf(c);
  const requestId = c.get("requestId");
  const edge = c.get("edge");
  const traceId = traceIdOf(requestId);
  const options = {
    kind: SpanKind.SERVER,
    startTime: c.get("receivedAtMs"),
    attributes: {
      "http.request.method": method,
      ...(path === "" ? {} : { "http.route": path }),
      "breakwater.request_id": requestId,
    },
  };
  if (edge === undefined) {
    if (!isSampled(traceId, samplingRate)) return undefined;
    return context.with(rootTrace(traceId), () => tracer.startSpan(spanName(method, path), options));
  }
  if (edge.parentSpanId === undefined) return undefined;
  const parent = { traceId, spanId: edge.parentSpanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
  return tracer.startSpan(spanName(method, path), options, trace.setSpanContext(ROOT_CONTEXT, parent));
};

/** Stands behind the check of the signature: only then are the trace and the edge's span trusted. */
export const serverSpan =
  ({ tracer, samplingRate = 0 }: RequestTelemetry): OriginMiddleware =>
  (c, next) => {
    const span = tracer && startSpan(c, tracer, samplingRate);
    if (span === undefined) return next();
    c.set("span", span);
    return context.with(trace.setSpan(context.active(), span), next);
  };
