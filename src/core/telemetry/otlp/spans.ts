/** Spans as OTLP's ExportTraceServiceRequest, in JSON's form (opentelemetry-proto, trace.proto). */
import type { Span, SpanKind } from "../spans/span.ts";
import { attributes } from "./attributes.ts";
import type { OtlpScope, ResourceAttributes } from "./metrics.ts";
import { nanoseconds } from "./nanoseconds.ts";

/** Enums are numbers. */
const KINDS: Record<SpanKind, number> = { server: 2, client: 3 };
const STATUS_CODE_ERROR = 2;
/** What is told of a child's parent: that it is known whether it is in another process (`SpanFlags`), and that it is sampled. */
const FLAGS = 0x1_01;

const spanOf = ({ traceId, spanId, parentSpanId, name, kind, startMs, endMs, ...span }: Span) => ({
  traceId,
  spanId,
  ...(parentSpanId === undefined ? {} : { parentSpanId }),
  flags: FLAGS,
  name,
  kind: KINDS[kind],
  startTimeUnixNano: nanoseconds(startMs),
  // A clock may be set back meanwhile.
  endTimeUnixNano: nanoseconds(Math.max(startMs, endMs)),
  attributes: attributes(
    span.errorType === undefined ? span.attributes : { ...span.attributes, "error.type": span.errorType },
  ),
  status: span.errorType === undefined ? {} : { code: STATUS_CODE_ERROR },
});

/** For `JSON.stringify`, and `POST /v1/traces`. */
export const otlpSpans = (spans: readonly Span[], resource: ResourceAttributes, scope: OtlpScope) => ({
  resourceSpans: [
    { resource: { attributes: attributes(resource) }, scopeSpans: [{ scope, spans: spans.map(spanOf) }] },
  ],
});
