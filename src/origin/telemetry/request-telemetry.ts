/** What is told of each request that an origin has served: metrics and a line of the log always, a span where its trace is kept. */

import { spanName } from "../../lib/method.ts";
import type { SpanAttributes } from "../../telemetry/spans/span.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { AdmittedRequest } from "../admitted-request.ts";
import type { ObserveRequest } from "../metrics/request-metrics.ts";
import type { WriteAccessLine } from "./access-log.ts";
import type { RequestSpan, Tracing } from "./tracing.ts";

/** By what a request is known: never by its path, of which there are as many as clients like. */
export interface ToldRoute {
  readonly method: string;
  /** As the contract has it, such as `/products/:id`; empty where it has none. */
  readonly path: string;
}

export interface ServedRequest {
  readonly route: ToldRoute;
  readonly requestId: string;
  /** What is known of it; undefined where it was refused before. */
  readonly admitted: AdmittedRequest | undefined;
  readonly span: RequestSpan | undefined;
  readonly status: number;
  /** From the request's head to its answer's. */
  readonly durationMs: number;
}

export interface RequestTelemetry {
  /** Undefined where its trace is not kept. @param beganAtMs by `performance.now()` */
  begin(admitted: AdmittedRequest, route: ToldRoute, beganAtMs: number): RequestSpan | undefined;
  served(request: ServedRequest): void;
}

export interface RequestTelemetryDependencies {
  readonly observe: ObserveRequest;
  /** @default no span is recorded */
  readonly tracing?: Tracing | undefined;
  /** @default no line is written */
  readonly writeAccessLine?: WriteAccessLine | undefined;
}

const foundOf = ({ notes }: AdmittedRequest): SpanAttributes =>
  notes.cacheOutcome === undefined ? {} : { "breakwater.cache.outcome": notes.cacheOutcome };

export const createRequestTelemetry = ({
  observe,
  tracing,
  writeAccessLine,
}: RequestTelemetryDependencies): RequestTelemetry => ({
  begin: ({ trace, requestId }, route, beganAtMs) =>
    trace === undefined
      ? undefined
      : tracing?.begin({
          traceId: traceIdOf(requestId),
          parentSpanId: trace.parentSpanId,
          name: spanName(route.method, route.path),
          attributes: {
            "http.request.method": route.method,
            ...(route.path === "" ? {} : { "http.route": route.path }),
            "breakwater.request_id": requestId,
          },
          beganAtMs,
        }),
  served: ({ route, requestId, admitted, span, status, durationMs }) => {
    observe(route, status, durationMs);
    span?.end(status, admitted === undefined ? {} : foundOf(admitted), durationMs);
    writeAccessLine?.({
      route,
      requestId,
      status,
      durationMs,
      spanId: span?.spanId,
      cacheOutcome: admitted?.notes.cacheOutcome,
    });
  },
});
