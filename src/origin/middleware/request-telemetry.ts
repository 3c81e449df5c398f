/** Metrics, access log and server span of every request, whatever becomes of it. */
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
import type { CacheOutcome } from "../../middleware/response-cache/respond.ts";
import type { ObserveRequest } from "../../telemetry/instruments.ts";
import { isSampled, traceIdOf } from "../../telemetry/trace-context.ts";
import type { OriginLog } from "../log/log.ts";
import { rootTrace } from "../telemetry/tracing.ts";
import type { OriginContext, OriginMiddleware } from "./context.ts";

/**
 * Recorded if the client disconnected before the response, as the edge does when another origin was faster. nginx's status for
 * it: with the response's own status, hedges would look like failures.
 */
const CLIENT_CLOSED_REQUEST = 499;

const statusOf = (c: OriginContext): number =>
  c.env?.outgoing?.destroyed === true ? CLIENT_CLOSED_REQUEST : c.res.status;

/** Never the path itself: clients could create any number of series. */
const routeOf = (c: OriginContext): TelemetryRoute =>
  matchedRoutes(c).find(({ path }) => !path.endsWith("*")) ?? {
    method: knownMethod(c.req.method),
    path: "",
  };

/** Stands before everything that can reject a request. */
export const requestTelemetry =
  ({ served }: RequestTelemetry): OriginMiddleware =>
  async (c, next) => {
    c.set("receivedAtMs", performance.now());
    await next();
    served({
      route: routeOf(c),
      requestId: c.get("requestId"),
      span: c.get("span"),
      cacheOutcome: c.get("cacheOutcome"),
      status: statusOf(c),
      durationMs: performance.now() - c.get("receivedAtMs"),
    });
  };

/** Stands behind the check of the signature: only then are the trace and the edge's span trusted. */
export const serverSpan =
  ({ begin }: RequestTelemetry): OriginMiddleware =>
  (c, next) => {
    const span = begin({
      route: routeOf(c),
      requestId: c.get("requestId"),
      edge: c.get("edge"),
      receivedAtMs: c.get("receivedAtMs"),
    });
    if (span === undefined) return next();
    c.set("span", span);
    return context.with(trace.setSpan(context.active(), span), next);
  };

/** A request's route instead of its path: clients choose the paths, and their number. */
export interface TelemetryRoute {
  readonly method: string;
  /** The contract's, such as `/products/:id`; empty if no route matches. */
  readonly path: string;
}

export interface ReceivedRequest {
  readonly route: TelemetryRoute;
  readonly requestId: string;
  /** Undefined if the request did not come through the edge: its trace begins here. */
  readonly edge: { readonly parentSpanId: string | undefined } | undefined;
  /** By `performance.now()`. */
  readonly receivedAtMs: number;
}

export interface ServedRequest {
  readonly route: TelemetryRoute;
  readonly requestId: string;
  readonly span: Span | undefined;
  readonly cacheOutcome: CacheOutcome | undefined;
  readonly status: number;
  /** From the request's head to its response's. */
  readonly durationMs: number;
}

export interface RequestTelemetry {
  /** @returns undefined if the request is not sampled */
  begin(request: ReceivedRequest): Span | undefined;
  served(request: ServedRequest): void;
}

export interface RequestTelemetryDependencies {
  readonly observe: ObserveRequest;
  /** @default no span is recorded */
  readonly tracer?: Tracer | undefined;
  /** The share of traces that is sampled if the edge has not decided, within [0, 1]. @default 0 */
  readonly samplingRate?: number;
  /** Receives a line per request. @default none */
  readonly accessLog?: Pick<OriginLog, "info"> | undefined;
}

export const createRequestTelemetry = ({
  observe,
  tracer,
  samplingRate = 0,
  accessLog,
}: RequestTelemetryDependencies): RequestTelemetry => ({
  begin: ({ route, requestId, edge, receivedAtMs }) => {
    if (tracer === undefined) return undefined;
    const traceId = traceIdOf(requestId);
    const name = spanName(route.method, route.path);
    const options = {
      kind: SpanKind.SERVER,
      startTime: receivedAtMs,
      attributes: {
        "http.request.method": route.method,
        ...(route.path === "" ? {} : { "http.route": route.path }),
        "breakwater.request_id": requestId,
      },
    };
    if (edge === undefined) {
      if (!isSampled(traceId, samplingRate)) return undefined;
      return context.with(rootTrace(traceId), () => tracer.startSpan(name, options));
    }
    if (edge.parentSpanId === undefined) return undefined;
    const parent = { traceId, spanId: edge.parentSpanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
    return tracer.startSpan(name, options, trace.setSpanContext(ROOT_CONTEXT, parent));
  },
  served: (request) => {
    const { route, span, cacheOutcome, status, durationMs } = request;
    observe(route, status, durationMs);
    if (span !== undefined) {
      span.setAttribute("http.response.status_code", status);
      if (cacheOutcome !== undefined) span.setAttribute("breakwater.cache.outcome", cacheOutcome);
      if (status >= 500)
        span.setAttribute("error.type", String(status)).setStatus({ code: SpanStatusCode.ERROR });
      span.end(performance.now());
    }
    accessLog?.info(accessFields(request), "request");
  },
});

/** A member that is undefined is not in the line. The log adds the trace id. */
const accessFields = ({ route, requestId, span, status, durationMs, cacheOutcome }: ServedRequest) => ({
  "http.request.method": route.method,
  "http.route": route.path === "" ? undefined : route.path,
  "http.response.status_code": status,
  durationMs: Math.round(durationMs * 1_000) / 1_000,
  requestId,
  span_id: span?.spanContext().spanId,
  sampled: span !== undefined,
  cache: cacheOutcome,
  "error.type": status >= 500 ? String(status) : undefined,
});
