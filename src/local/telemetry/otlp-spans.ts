/** Spans of an ExportTraceServiceRequest (opentelemetry-proto, trace.proto). Events and links are not kept. */
import type { JsonAt } from "./json-at.ts";
import {
  type Attributes,
  cut,
  MAX_TEXT,
  milliseconds,
  readAttributes,
  readId,
  readResource,
  requireId,
} from "./otlp-values.ts";

const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"] as const;
const STATUSES = ["unset", "ok", "error"] as const;

export type SpanKind = (typeof KINDS)[number];
export type SpanStatus = (typeof STATUSES)[number];

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  /** `service.name` of its resource. */
  readonly service: string;
  /** `service.instance.id` of its resource. */
  readonly instance: string | undefined;
  /** Epoch milliseconds with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  /** From the nanoseconds themselves, exact; 0 where the end is before the start. */
  readonly durationMs: number;
  readonly status: SpanStatus;
  readonly statusMessage: string;
  readonly attributes: Attributes;
}

/** @throws ShapeError */
export const readSpans = (body: JsonAt): Span[] =>
  body
    .get("resourceSpans")
    .list()
    .flatMap((resourceSpans) => {
      const { service, instance } = readResource(resourceSpans.get("resource"));
      const scopes = resourceSpans.get("scopeSpans").list();
      const spans = scopes.flatMap((scope) => scope.get("spans").list());
      return spans.map((span) => readSpan(span, { service, instance }));
    });

const readSpan = (json: JsonAt, resource: Pick<Span, "service" | "instance">): Span => {
  const start = json.get("startTimeUnixNano").uint64();
  const end = json.get("endTimeUnixNano").uint64();
  const status = json.get("status");
  return {
    ...resource,
    traceId: requireId(json.get("traceId"), 32),
    spanId: requireId(json.get("spanId"), 16),
    parentSpanId: readId(json.get("parentSpanId"), 16),
    name: cut(json.get("name").text(), MAX_TEXT),
    // A number that was given a meaning later on is none that is known here.
    kind: KINDS[json.get("kind").enumeration()] ?? "unspecified",
    startMs: milliseconds(start),
    endMs: milliseconds(end),
    durationMs: end > start ? milliseconds(end - start) : 0,
    status: STATUSES[status.get("code").enumeration()] ?? "unset",
    statusMessage: cut(status.get("message").text(), MAX_TEXT),
    attributes: readAttributes(json.get("attributes")),
  };
};
