/** Spans as OTLP's ExportTraceServiceRequest, in JSON's form (opentelemetry-proto, trace.proto). */
import type { Span, SpanKind } from "../spans/span.ts";
import { attributes, nanoseconds } from "./attributes.ts";
import type { OtlpScope, ResourceAttributes } from "./metrics.ts";

/** Enums are numbers. */
const KINDS: Record<SpanKind, number> = { server: 2, client: 3 };
const STATUS_CODE_ERROR = 2;
/** `SpanFlags`: it is sampled, and it is known whether its parent is in another process. */
const FLAGS = 0x1_01;
const REMOTE_PARENT = 0x2_00;
/** No attribute's value is longer (OpenTelemetry specification, "Attribute Limits"). */
const MAX_VALUE_LENGTH = 2_048;

const spanOf = ({ traceId, spanId, parentSpanId, name, kind, startMs, endMs, ...span }: Span) => ({
  traceId,
  spanId,
  ...(parentSpanId === undefined ? {} : { parentSpanId }),
  flags: kind === "server" && parentSpanId !== undefined ? FLAGS | REMOTE_PARENT : FLAGS,
  name,
  kind: KINDS[kind],
  startTimeUnixNano: nanoseconds(startMs),
  // A clock may be set back meanwhile.
  endTimeUnixNano: nanoseconds(Math.max(startMs, endMs)),
  attributes: attributes(
    span.errorType === undefined ? span.attributes : { ...span.attributes, "error.type": span.errorType },
    MAX_VALUE_LENGTH,
  ),
  status: span.errorType === undefined ? {} : { code: STATUS_CODE_ERROR },
});

/** For `JSON.stringify`, and `POST /v1/traces`. */
export const otlpSpans = (spans: readonly Span[], resource: ResourceAttributes, scope: OtlpScope) => ({
  resourceSpans: [
    { resource: { attributes: attributes(resource) }, scopeSpans: [{ scope, spans: spans.map(spanOf) }] },
  ],
});
