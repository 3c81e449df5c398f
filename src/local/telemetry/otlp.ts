/**
 * Export requests of OTLP/HTTP in JSON (opentelemetry-proto). As in proto3's JSON mapping, an absent or null field is its
 * type's zero and a 64-bit integer is a number or its digits; enums are numbers, ids are hex. Kept are spans without events
 * and links, log records, and the metric points that Prometheus's text format can express: gauges, and cumulative sums and
 * histograms.
 */
import * as z from "zod/mini";

/** An AnyValue as JSON; bytes are base64. */
export type PlainValue =
  | string
  | number
  | boolean
  | null
  | readonly PlainValue[]
  | { readonly [key: string]: PlainValue };

const MAX_DEPTH = 8;

const map = <T extends z.ZodMiniType, R>(schema: T, convert: (value: z.output<T>) => R) =>
  z.pipe(schema, z.transform(convert));
const orZero = <T extends z.ZodMiniType, Z>(schema: T, zero: Z) =>
  map(z.nullish(schema), (value): z.output<T> | Z => value ?? zero);
const list = <T extends z.ZodMiniType>(item: T) => orZero(z.array(item), []);
const text = orZero(z.string(), "");
const enumeration = orZero(z.int(), 0);

/** An invalid text becomes NaN. */
const number = map(z.union([z.number(), z.string()]), Number);
/** Nanoseconds; within the range of Date. */
const time = orZero(z.coerce.bigint().check(z.gte(0n), z.lt(10n ** 19n)), 0n);
/** With fractions, to about a quarter of a microsecond: the precision of a double. */
const milliseconds = (nanoseconds: bigint): number =>
  Number(nanoseconds / 1_000_000n) + Number(nanoseconds % 1_000_000n) / 1e6;

/** Lower-case hex. */
const id = (digits: 16 | 32) => {
  const message = `must be ${digits} hex digits, not all of them 0`;
  const pattern = new RegExp(`^(?!0+$)[0-9a-f]{${digits}}$`, "i");
  return z.string(message).check(z.regex(pattern, message), z.toLowerCase());
};
/** Undefined if absent or empty. */
const optionalId = (digits: 16 | 32) =>
  map(z.nullish(z.union([z.literal(""), id(digits)])), (value) => value || undefined);

const attributesOf = (value: z.ZodMiniType<PlainValue>) =>
  map(
    list(z.object({ key: text, value: orZero(value, null) })),
    // fromEntries defines the properties, so `__proto__` is a key like any other.
    (pairs) => Object.fromEntries(pairs.map(({ key, value }) => [key, value])),
  );

const anyValueAt = (depth: number): z.ZodMiniType<PlainValue> => {
  if (depth > MAX_DEPTH) return z.never(`is nested deeper than ${MAX_DEPTH}`);
  const nested = anyValueAt(depth + 1);
  const value = z.object({
    stringValue: z.nullish(z.string()),
    boolValue: z.nullish(z.boolean()),
    intValue: z.nullish(number),
    doubleValue: z.nullish(number),
    bytesValue: z.nullish(z.string()),
    arrayValue: z.nullish(z.object({ values: list(nested) })),
    kvlistValue: z.nullish(z.object({ values: attributesOf(nested) })),
  });
  return map(value, ({ arrayValue, kvlistValue, ...scalars }) => {
    const scalar = Object.values(scalars).find((each) => each !== undefined && each !== null);
    return scalar ?? arrayValue?.values ?? kvlistValue?.values ?? null;
  });
};
const anyValue = orZero(anyValueAt(0), null);
const attributes = attributesOf(anyValue);

/** A scalar as it is, everything else as JSON. */
export const plainText = (value: PlainValue): string =>
  typeof value === "object" ? JSON.stringify(value) : String(value);

/** The values of `service.name` and `service.instance.id`. */
const resource = map(z.nullish(z.object({ attributes })), (value) => {
  const { "service.name": service, "service.instance.id": instance } = value?.attributes ?? {};
  return {
    // The default of OpenTelemetry's SDKs (Resource Semantic Conventions, "Service").
    service: typeof service === "string" && service !== "" ? service : "unknown_service",
    instance: typeof instance === "string" ? instance : undefined,
  };
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
    status: z.nullish(z.object({ code: enumeration, message: text })),
    attributes,
  }),
  ({ startTimeUnixNano: start, endTimeUnixNano: end, kind, status, ...others }) => ({
    ...others,
    kind: KINDS[kind] ?? "unspecified",
    startMs: milliseconds(start),
    endMs: milliseconds(end),
    durationMs: end > start ? milliseconds(end - start) : 0,
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
    severityNumber: enumeration,
    severityText: text,
    eventName: text,
    body: anyValue,
    traceId: optionalId(32),
    spanId: optionalId(16),
    attributes,
  }),
  ({ timeUnixNano, observedTimeUnixNano, ...others }) => ({
    time: new Date(milliseconds(timeUnixNano || observedTimeUnixNano)).toISOString(),
    ...others,
  }),
);
/** `time` is the event's, or else when it was observed (ISO 8601). */
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

const CUMULATIVE = 2;

const numberPoint = map(
  z.object({ attributes, asDouble: z.nullish(number), asInt: z.nullish(number) }),
  ({ attributes, asDouble, asInt }) => ({ attributes, value: asDouble ?? asInt ?? undefined }),
);
const histogramPoint = map(
  z.object({
    attributes,
    count: orZero(number, 0),
    sum: z.nullish(number),
    explicitBounds: list(number),
    bucketCounts: list(number),
  }),
  ({ attributes, ...value }) => ({ attributes, value }),
);
export type Histogram = z.output<typeof histogramPoint>["value"];

const metric = z.object({
  name: text,
  unit: text,
  description: text,
  gauge: z.nullish(z.object({ dataPoints: list(numberPoint) })),
  sum: z.nullish(
    z.object({
      aggregationTemporality: enumeration,
      isMonotonic: z.nullish(z.boolean()),
      dataPoints: list(numberPoint),
    }),
  ),
  histogram: z.nullish(z.object({ aggregationTemporality: enumeration, dataPoints: list(histogramPoint) })),
});

/** The value is undefined if the point has none, or is of a form that Prometheus lacks, such as a delta. */
const pointsOf = ({ gauge, sum, histogram, ...about }: z.output<typeof metric>, resource: Resource) => {
  const isCumulative = ((sum ?? histogram)?.aggregationTemporality ?? CUMULATIVE) === CUMULATIVE;
  const kind = histogram ? "histogram" : sum?.isMonotonic ? "counter" : "gauge";
  const points = (histogram ?? sum ?? gauge)?.dataPoints ?? [];
  return points.map(({ attributes, value }) => {
    return { ...resource, ...about, kind, attributes, value: isCumulative ? value : undefined } as const;
  });
};
export type MetricPoint = ReturnType<typeof pointsOf>[number];

/** ExportMetricsServiceRequest (metrics.proto) */
export const metricsRequest = map(
  z.object({
    resourceMetrics: list(z.object({ resource, scopeMetrics: list(z.object({ metrics: list(metric) })) })),
  }),
  ({ resourceMetrics }): MetricPoint[] =>
    resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
      scopeMetrics.flatMap(({ metrics }) => metrics.flatMap((each) => pointsOf(each, resource))),
    ),
);
