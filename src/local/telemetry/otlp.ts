/**
 * Export requests of OTLP/HTTP in JSON. Kept are spans without events and links, log records, and the metric points that
 * Prometheus's text format can express: gauges, cumulative sums, cumulative histograms with explicit bounds.
 */
import * as z from "zod/mini";
import {
  type Attributes,
  anyValue,
  attributes,
  boolean,
  double,
  enumeration,
  id,
  int64,
  list,
  milliseconds,
  optionalId,
  orZero,
  type PlainValue,
  type Resource,
  resource,
  text,
  time,
  uint64,
} from "./otlp-values.ts";

const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"] as const;
const STATUSES = ["unset", "ok", "error"] as const;

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: (typeof KINDS)[number];
  /** `service.name` of its resource. */
  readonly service: string;
  /** `service.instance.id` of its resource. */
  readonly instance: string | undefined;
  /** Epoch milliseconds with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  /** From the nanoseconds, exact; 0 if the end is before the start. */
  readonly durationMs: number;
  readonly status: (typeof STATUSES)[number];
  readonly statusMessage: string;
  readonly attributes: Attributes;
}

const span = z.pipe(
  z.object({
    traceId: id(32),
    spanId: id(16),
    parentSpanId: optionalId(16),
    name: text,
    kind: enumeration,
    startTimeUnixNano: time,
    endTimeUnixNano: time,
    status: z.nullish(z.object({ code: enumeration, message: text })),
    attributes,
  }),
  z.transform(({ startTimeUnixNano: start, endTimeUnixNano: end, kind, status, ...others }) => ({
    ...others,
    kind: KINDS[kind] ?? "unspecified",
    startMs: milliseconds(start),
    endMs: milliseconds(end),
    durationMs: end > start ? milliseconds(end - start) : 0,
    status: STATUSES[status?.code ?? 0] ?? "unset",
    statusMessage: status?.message ?? "",
  })),
);

/** ExportTraceServiceRequest (trace.proto) */
export const traceRequest = z.pipe(
  z.object({
    resourceSpans: list(z.object({ resource, scopeSpans: list(z.object({ spans: list(span) })) })),
  }),
  z.transform(({ resourceSpans }): Span[] =>
    resourceSpans.flatMap(({ resource: { service, instance }, scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) => spans.map((each) => ({ ...each, service, instance }))),
    ),
  ),
);

export interface LogRecord {
  /** Epoch milliseconds with fractions: the event's time, or else when it was observed. */
  readonly timeMs: number;
  /** 1 to 24, 0 if unspecified (Logs Data Model, "Field: SeverityNumber"). */
  readonly severityNumber: number;
  readonly severityText: string;
  readonly eventName: string;
  readonly body: PlainValue;
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
  /** `service.name` of its resource. */
  readonly service: string;
  readonly attributes: Attributes;
}

const logRecord = z.pipe(
  z.object({
    timeUnixNano: time,
    observedTimeUnixNano: time,
    severityNumber: enumeration,
    severityText: text,
    eventName: text,
    body: anyValue,
    traceId: optionalId(32),
    spanId: optionalId(16),
    attributes,
  }),
  z.transform(({ timeUnixNano, observedTimeUnixNano, ...others }) => ({
    ...others,
    timeMs: milliseconds(timeUnixNano === 0n ? observedTimeUnixNano : timeUnixNano),
  })),
);

/** ExportLogsServiceRequest (logs.proto) */
export const logsRequest = z.pipe(
  z.object({
    resourceLogs: list(z.object({ resource, scopeLogs: list(z.object({ logRecords: list(logRecord) })) })),
  }),
  z.transform(({ resourceLogs }): LogRecord[] =>
    resourceLogs.flatMap(({ resource: { service }, scopeLogs }) =>
      scopeLogs.flatMap(({ logRecords }) => logRecords.map((each) => ({ ...each, service }))),
    ),
  ),
);

export type MetricKind = "counter" | "gauge" | "histogram";

export interface Histogram {
  readonly count: number;
  readonly sum: number | undefined;
  /** Upper bounds, inclusive, ascending, without the infinite one. */
  readonly bounds: readonly number[];
  /** One per bound and the infinite one; not cumulative. */
  readonly bucketCounts: readonly number[];
}

export interface MetricPoint {
  readonly resource: Resource;
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly kind: MetricKind;
  readonly attributes: Attributes;
  /** Epoch milliseconds with fractions. */
  readonly timeMs: number;
  /** A histogram if the kind is one; undefined if the point has no value or contradicts itself. */
  readonly value: number | Histogram | undefined;
}

const CUMULATIVE = 2;

const isAscending = (bounds: readonly number[]): boolean =>
  bounds.every((bound, index) => bound > (bounds[index - 1] ?? Number.NEGATIVE_INFINITY) && bound < Infinity);

const count = orZero(
  z.pipe(
    uint64,
    z.transform((value) => Number(value)),
  ),
  0,
);

const numberPoint = z.pipe(
  z.object({ timeUnixNano: time, attributes, asDouble: z.nullish(double), asInt: z.nullish(int64) }),
  z.transform(({ timeUnixNano, asDouble, asInt, ...others }) => {
    const value = asDouble ?? asInt ?? undefined;
    return {
      ...others,
      timeMs: milliseconds(timeUnixNano),
      value: value === undefined ? value : Number(value),
    };
  }),
);

const histogramPoint = z.pipe(
  z.object({
    timeUnixNano: time,
    attributes,
    count,
    sum: z.nullish(double),
    explicitBounds: list(double),
    bucketCounts: list(count),
  }),
  z.transform(({ timeUnixNano, count, sum, explicitBounds: bounds, bucketCounts: sent, ...others }) => {
    // Without bounds the single, infinite bucket may be omitted.
    const bucketCounts = sent.length === 0 && bounds.length === 0 ? [count] : sent;
    const total = bucketCounts.reduce((sum, each) => sum + each, 0);
    const isValid = bucketCounts.length === bounds.length + 1 && isAscending(bounds) && total === count;
    const value: Histogram | undefined = isValid
      ? { count, sum: sum ?? undefined, bounds, bucketCounts }
      : undefined;
    return { ...others, timeMs: milliseconds(timeUnixNano), value };
  }),
);

const metric = z.object({
  name: text,
  unit: text,
  description: text,
  gauge: z.nullish(z.object({ dataPoints: list(numberPoint) })),
  sum: z.nullish(
    z.object({ aggregationTemporality: enumeration, isMonotonic: boolean, dataPoints: list(numberPoint) }),
  ),
  histogram: z.nullish(z.object({ aggregationTemporality: enumeration, dataPoints: list(histogramPoint) })),
});

/** Points of other forms, such as deltas, have no value. */
const pointsOf = (
  { name, unit, description, gauge, sum, histogram }: z.output<typeof metric>,
  resource: Resource,
): MetricPoint[] => {
  const isCumulative =
    (sum ?? histogram ?? { aggregationTemporality: CUMULATIVE }).aggregationTemporality === CUMULATIVE;
  const kind = histogram ? "histogram" : sum?.isMonotonic ? "counter" : "gauge";
  const points = (histogram ?? sum ?? gauge)?.dataPoints ?? [];
  const about = { resource, name, unit, description, kind } as const;
  return points.map((point) => ({ ...point, ...about, value: isCumulative ? point.value : undefined }));
};

/** ExportMetricsServiceRequest (metrics.proto) */
export const metricsRequest = z.pipe(
  z.object({
    resourceMetrics: list(z.object({ resource, scopeMetrics: list(z.object({ metrics: list(metric) })) })),
  }),
  z.transform(({ resourceMetrics }): MetricPoint[] =>
    resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
      scopeMetrics.flatMap(({ metrics }) => metrics.flatMap((each) => pointsOf(each, resource))),
    ),
  ),
);
