/**
 * Export requests of OTLP/HTTP in JSON (opentelemetry-proto). As in proto3's JSON mapping, an absent field is
 * its type's zero and a 64-bit integer is a number or its digits; enums are numbers, ids are hex. Read are
 * spans without events and links, log records, and cumulative gauges, sums and explicit histograms: both
 * tiers export no others.
 */
import * as z from "zod/mini";

const map = <T extends z.ZodMiniType, R>(schema: T, convert: (value: z.output<T>) => R) =>
  z.pipe(schema, z.transform(convert));
const list = <T extends z.ZodMiniType>(item: T) => map(z.nullish(z.array(item)), (value) => value ?? []);
const text = z._default(z.string(), "");
const enumeration = z._default(z.int(), 0);

/** An invalid text becomes NaN. */
const number = map(z.union([z.number(), z.string()]), Number);
/** Epoch milliseconds with fractions, to about a quarter of a microsecond: the precision of a double. */
const time = z.pipe(
  // Within the range of Date.
  z._default(z.coerce.bigint().check(z.gte(0n), z.lt(10n ** 19n)), 0n),
  z.transform((nanoseconds) => Number(nanoseconds / 1_000_000n) + Number(nanoseconds % 1_000_000n) / 1e6),
);

/** Lower-case hex. */
const id = (digits: 16 | 32) => {
  const message = `must be ${digits} hex digits, not all of them 0`;
  const pattern = new RegExp(`^(?!0+$)[0-9a-f]{${digits}}$`, "i");
  return z.string(message).check(z.regex(pattern, message), z.toLowerCase());
};
/** Undefined if absent or empty. */
const optionalId = (digits: 16 | 32) =>
  map(z.optional(z.union([z.literal(""), id(digits)])), (value) => value || undefined);

const scalar = z.object({
  stringValue: z.optional(z.string()),
  boolValue: z.optional(z.boolean()),
  intValue: z.optional(number),
  doubleValue: z.optional(number),
});
const anyValue = z.looseObject({
  ...scalar.shape,
  arrayValue: z.optional(z.object({ values: list(z.looseObject(scalar.shape)) })),
});
const scalarOf = ({ stringValue, boolValue, intValue, doubleValue }: z.output<typeof scalar>) =>
  stringValue ?? boolValue ?? intValue ?? doubleValue;
/** A scalar, or else the JSON of a list or a nested value. */
const value = map(z.optional(anyValue), (value) => {
  if (value === undefined) return "";
  const items = value.arrayValue?.values.map((item) => scalarOf(item) ?? item);
  return scalarOf(value) ?? JSON.stringify(items ?? value);
});
export type AttributeValue = z.output<typeof value>;

const attributes = map(
  list(z.object({ key: text, value })),
  // `fromEntries` defines properties, so even `__proto__` is an ordinary key.
  (pairs) => Object.fromEntries(pairs.map(({ key, value }) => [key, value])),
);

/** `service.name` and `service.instance.id`. */
const resource = map(z.optional(z.object({ attributes })), (resource) => {
  const { "service.name": service = "unknown_service", "service.instance.id": instance } =
    resource?.attributes ?? {};
  return { service: String(service), instance: instance === undefined ? undefined : String(instance) };
});
type Resource = z.output<typeof resource>;

const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"] as const;
const STATUSES = ["unset", "ok", "error"] as const;

const span = map(
  z.object({
    traceId: id(32),
    spanId: id(16),
    parentSpanId: optionalId(16),
    name: text,
    kind: enumeration,
    startTimeUnixNano: time,
    endTimeUnixNano: time,
    status: z.optional(z.object({ code: enumeration, message: text })),
    attributes,
  }),
  ({ startTimeUnixNano: startMs, endTimeUnixNano: endMs, kind, status, ...others }) => ({
    ...others,
    kind: KINDS[kind] ?? "unspecified",
    startMs,
    endMs,
    durationMs: Math.max(0, endMs - startMs),
    status: STATUSES[status?.code ?? 0] ?? "unset",
    statusMessage: status?.message ?? "",
  }),
);
/** Times are epoch milliseconds with fractions. */
export type Span = Readonly<z.output<typeof span> & Resource>;

/** ExportTraceServiceRequest (trace.proto) */
export const traceRequest = map(
  z.object({
    resourceSpans: list(z.object({ resource, scopeSpans: list(z.object({ spans: list(span) })) })),
  }),
  ({ resourceSpans }): Span[] =>
    resourceSpans.flatMap(({ resource, scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) => spans.map((each) => ({ ...each, ...resource }))),
    ),
);

const logRecord = map(
  z.object({
    timeUnixNano: time,
    observedTimeUnixNano: time,
    severityText: text,
    eventName: text,
    body: value,
    traceId: optionalId(32),
    attributes,
  }),
  ({ timeUnixNano, observedTimeUnixNano, ...others }) => ({
    time: new Date(timeUnixNano || observedTimeUnixNano).toISOString(),
    ...others,
  }),
);
/** `time` is the time of the event, or else of its observation (ISO 8601). */
export type LogRecord = Readonly<z.output<typeof logRecord> & Resource>;

/** ExportLogsServiceRequest (logs.proto) */
export const logsRequest = map(
  z.object({
    resourceLogs: list(z.object({ resource, scopeLogs: list(z.object({ logRecords: list(logRecord) })) })),
  }),
  ({ resourceLogs }): LogRecord[] =>
    resourceLogs.flatMap(({ resource, scopeLogs }) =>
      scopeLogs.flatMap(({ logRecords }) => logRecords.map((each) => ({ ...each, ...resource }))),
    ),
);

const numberPoint = map(
  z.object({ attributes, asDouble: z.optional(number), asInt: z.optional(number) }),
  ({ attributes, asDouble, asInt }) => ({ attributes, value: asDouble ?? asInt }),
);
const histogramPoint = map(
  z.object({
    attributes,
    count: z._default(number, 0),
    sum: z.optional(number),
    explicitBounds: list(number),
    bucketCounts: list(number),
  }),
  ({ attributes, count, sum, explicitBounds: boundaries, bucketCounts: counts }) => ({
    attributes,
    value: { count, ...(sum === undefined ? {} : { sum }), buckets: { boundaries, counts } },
  }),
);
export type Histogram = z.output<typeof histogramPoint>["value"];

const metric = map(
  z.object({
    name: text,
    unit: text,
    description: text,
    gauge: z.optional(z.object({ dataPoints: list(numberPoint) })),
    sum: z.optional(z.object({ isMonotonic: z._default(z.boolean(), false), dataPoints: list(numberPoint) })),
    histogram: z.optional(z.object({ dataPoints: list(histogramPoint) })),
  }),
  ({ gauge, sum, histogram, ...about }) => ({
    ...about,
    kind: histogram ? ("histogram" as const) : sum?.isMonotonic ? ("counter" as const) : ("gauge" as const),
    points: (histogram ?? sum ?? gauge)?.dataPoints ?? [],
  }),
);
/** A point without a value is of a kind that is not read. */
export type Metric = Readonly<z.output<typeof metric> & Resource>;

/** ExportMetricsServiceRequest (metrics.proto) */
export const metricsRequest = map(
  z.object({
    resourceMetrics: list(z.object({ resource, scopeMetrics: list(z.object({ metrics: list(metric) })) })),
  }),
  ({ resourceMetrics }): Metric[] =>
    resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
      scopeMetrics.flatMap(({ metrics }) => metrics.map((each) => ({ ...each, ...resource }))),
    ),
);
