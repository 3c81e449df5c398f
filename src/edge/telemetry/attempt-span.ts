/** The client span of an attempt at an origin (OpenTelemetry semantic conventions, "HTTP client"). */
import { type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { OriginAddress } from "../config.ts";
import type { AttemptRecord } from "../upstream/attempt.ts";
import { attemptError, serverOf } from "./metrics.ts";

interface StartedAttempt extends Pick<AttemptRecord, "number" | "cause"> {
  readonly method: string;
  readonly address: OriginAddress;
}

/** @returns undefined if the active request is not sampled */
export const startAttemptSpan = ({ number, cause, method, address }: StartedAttempt): Span | undefined => {
  if (trace.getActiveSpan() === undefined) return undefined;
  const { host, port } = serverOf(address.url);
  return trace.getTracer("breakwater").startSpan(method, {
    kind: SpanKind.CLIENT,
    attributes: {
      "http.request.method": method,
      "server.address": host,
      "server.port": port,
      "breakwater.attempt.number": number,
      "breakwater.attempt.cause": cause,
      ...(cause === "retry" ? { "http.request.resend_count": number - 1 } : {}),
    },
  });
};

/** @param status the response's, if there was one */
export const endAttemptSpan = (
  span: Span,
  outcome: AttemptRecord["outcome"],
  status: number | undefined,
): void => {
  span.setAttribute("breakwater.attempt.outcome", outcome);
  if (status !== undefined) span.setAttribute("http.response.status_code", status);
  const errorType = attemptError(outcome, status);
  if (errorType !== undefined)
    span.setAttribute("error.type", errorType).setStatus({ code: SpanStatusCode.ERROR });
  span.end();
};
