/** Spans and metrics as OTLP's JSON (opentelemetry-proto, "JSON Protobuf Encoding"): enums are numbers, 64-bit integers text. */
import type { HistogramPoint, Metric, MetricsSnapshot, NumberPoint } from "./metrics/instruments.ts";
import type { Span, SpanKind } from "./spans/span.ts";

type Scalar = string | number | boolean;
type AttributeValue = Scalar | readonly string[];

/** What has made spans and metrics. */
export interface OtlpScope {
  readonly name: string;
}

/** By name: `service.name`, `service.version`, `service.instance.id`. */
export type ResourceAttributes = Readonly<Record<string, AttributeValue | null | undefined>>;

const KINDS: Record<SpanKind, number> = { server: 2, client: 3 };
const STATUS_CODE_ERROR = 2;
/** AGGREGATION_TEMPORALITY_CUMULATIVE. */
const CUMULATIVE = 2;
/** `SpanFlags`: it is sampled, and it is known whether its parent is in another process. */
const FLAGS = 0x1_01;
const REMOTE_PARENT = 0x2_00;
/** A longer text is cut (OpenTelemetry specification, "Attribute Limits"). */
const MAX_VALUE_LENGTH = 2_048;

const scalarValue = (value: Scalar) => {
  switch (typeof value) {
    case "string":
      // A lone surrogate is not UTF-8: a receiver would refuse the whole request for it.
      return { stringValue: value.slice(0, MAX_VALUE_LENGTH).toWellFormed() };
    case "boolean":
      return { boolValue: value };
    default:
      if (Number.isSafeInteger(value)) return { intValue: String(value) };
      return { doubleValue: Number.isFinite(value) ? value : String(value) };
  }
};

const anyValue = (value: AttributeValue) =>
  typeof value === "object" ? { arrayValue: { values: value.map(scalarValue) } } : scalarValue(value);

/** Without those that have no value. */
export const attributes = (values: ResourceAttributes) =>
  Object.entries(values).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : [{ key: key.toWellFormed(), value: anyValue(value) }],
  );

/**
 * To the microsecond.
 *
 * @param ms epoch milliseconds
 * @returns "0", which to OTLP is an unknown time, if the time is not of the epoch
 */
export const nanoseconds = (ms: number): string => {
  const microseconds = Math.round(ms * 1_000);
  return microseconds > 0 && Number.isSafeInteger(microseconds) ? `${microseconds}000` : "0";
};

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
  attributes: attributes({ ...span.attributes, "error.type": span.errorType }),
  status: span.errorType === undefined ? {} : { code: STATUS_CODE_ERROR },
});

/** For `POST /v1/traces`. */
export const otlpSpans = (spans: readonly Span[], resource: ResourceAttributes, scope: OtlpScope) => ({
  resourceSpans: [
    { resource: { attributes: attributes(resource) }, scopeSpans: [{ scope, spans: spans.map(spanOf) }] },
  ],
});

/** A clock that was set back does not let a series end before its start: a receiver would refuse it. */
const pointOf = (point: NumberPoint | HistogramPoint, atMs: number) => ({
  attributes: attributes(point.attributes),
  startTimeUnixNano: nanoseconds(Math.min(point.startMs, atMs)),
  timeUnixNano: nanoseconds(atMs),
});

const numberOf = (value: number) =>
  Number.isSafeInteger(value) ? { asInt: String(value) } : { asDouble: value };

const dataOf = (metric: Metric, atMs: number) => {
  switch (metric.kind) {
    case "counter": {
      const dataPoints = metric.points.map((each) => ({ ...pointOf(each, atMs), ...numberOf(each.value) }));
      return { sum: { aggregationTemporality: CUMULATIVE, isMonotonic: true, dataPoints } };
    }
    case "gauge":
      // A gauge has no start. Always a double: what is whole at one time need not be at the next.
      return {
        gauge: {
          dataPoints: metric.points.map((each) => ({
            attributes: attributes(each.attributes),
            timeUnixNano: nanoseconds(atMs),
            asDouble: each.value,
          })),
        },
      };
    case "histogram": {
      const dataPoints = metric.points.map((each) => ({
        ...pointOf(each, atMs),
        count: String(each.count),
        sum: each.sum,
        bucketCounts: each.bucketCounts.map(String),
        explicitBounds: metric.bounds,
      }));
      return { histogram: { aggregationTemporality: CUMULATIVE, dataPoints } };
    }
  }
};

/** For `POST /v1/metrics`. */
export const otlpMetrics = (
  { atMs, metrics }: MetricsSnapshot,
  resource: ResourceAttributes,
  scope: OtlpScope,
) => ({
  resourceMetrics: [
    {
      resource: { attributes: attributes(resource) },
      scopeMetrics: [
        {
          scope,
          metrics: metrics.map((metric) => {
            const { name, description, unit } = metric;
            return { name, description, unit, ...dataOf(metric, atMs) };
          }),
        },
      ],
    },
  ],
});
