/**
 * Spans of an isolate. Whether a request is recorded is decided before it comes here, so that one that is not costs nothing;
 * a span waits to be sent from its end on, and nothing else is kept of a trace.
 */
import type { Span, SpanAttributes } from "../../telemetry/spans/span.ts";
import { newSpanId } from "../../telemetry/spans/span-id.ts";
import type { SpanQueue } from "../../telemetry/spans/span-queue.ts";
import { attemptError } from "./attempt-error.ts";
import type { RequestTrace } from "./request-trace.ts";
import { serverOf } from "./server-of.ts";

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : "_OTHER");

/** @param traceId 32 hexadecimal digits @param startedMs epoch milliseconds */
export type BeginTrace = (traceId: string, startedMs: number) => RequestTrace;

/** @param random within [0, 1) */
export const createTracing =
  (queue: SpanQueue, random: () => number): BeginTrace =>
  (traceId, startedMs) => {
    const spanId = newSpanId(random);

    const client = (span: Pick<Span, "spanId" | "name" | "startMs" | "endMs" | "attributes" | "errorType">) =>
      queue.add({ ...span, traceId, parentSpanId: spanId, kind: "client" });

    return {
      traceId,
      spanId,
      beginAttempt: ({ number, cause, method, address, startedMs: startMs }) => {
        const id = newSpanId(random);
        return {
          spanId: id,
          end: (outcome, status, endMs) => {
            const { host, port } = serverOf(address.url);
            const attributes: SpanAttributes = {
              "http.request.method": method,
              "server.address": host,
              "server.port": port,
              "breakwater.attempt.number": number,
              "breakwater.attempt.cause": cause,
              "breakwater.attempt.outcome": outcome,
              ...(cause === "retry" ? { "http.request.resend_count": number - 1 } : {}),
              ...(status === undefined ? {} : { "http.response.status_code": status }),
            };
            const errorType = attemptError(outcome, status);
            client({ spanId: id, name: method, startMs, endMs, attributes, errorType });
          },
        };
      },
      beginCommand: (name, startMs) => ({
        end: (error, endMs) =>
          client({
            spanId: newSpanId(random),
            name,
            startMs,
            endMs,
            attributes: { "db.system.name": "redis", "db.operation.name": name },
            errorType: error === undefined ? undefined : nameOf(error),
          }),
      }),
      end: (name, status, attributes, endMs) =>
        queue.add({
          traceId,
          spanId,
          parentSpanId: undefined,
          name,
          kind: "server",
          startMs: startedMs,
          endMs,
          attributes: { ...attributes, "http.response.status_code": status },
          errorType: status >= 500 ? String(status) : undefined,
        }),
    };
  };
