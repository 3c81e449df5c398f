/**
 * Points of an ExportMetricsServiceRequest (opentelemetry-proto, metrics.proto). Taken are what Prometheus's text format
 * has a form for: gauges, cumulative sums, and cumulative histograms with bounds of their own.
 */
import type { JsonAt } from "./json-at.ts";
import {
  type Attributes,
  cut,
  MAX_TEXT,
  milliseconds,
  type Resource,
  readAttributes,
  readResource,
} from "./otlp-values.ts";
import type { Rejections } from "./rejections.ts";

export type MetricKind = "counter" | "gauge" | "histogram";

export interface Histogram {
  readonly count: number;
  /** Undefined where it was not sent. */
  readonly sum: number | undefined;
  /** Upper bounds, inclusive, ascending, without the infinite one. */
  readonly bounds: readonly number[];
  /** One a bound and one more, each for itself. */
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
  /** A histogram where the kind is one. */
  readonly value: number | Histogram;
}

const CUMULATIVE = 2;
const MAX_BOUNDS = 256;
/** As long as an instrument's name may be (Metrics API, "Instrument name syntax"). */
const MAX_NAME = 255;
const NOT_KEPT = ["exponentialHistogram", "summary"] as const;

/** @param rejections told of every point that is well-formed, but is not taken @throws ShapeError */
export const readMetricPoints = (body: JsonAt, rejections: Rejections): MetricPoint[] =>
  body
    .get("resourceMetrics")
    .list()
    .flatMap((resourceMetrics) => {
      const resource = readResource(resourceMetrics.get("resource"));
      const scopes = resourceMetrics.get("scopeMetrics").list();
      const metrics = scopes.flatMap((scope) => scope.get("metrics").list());
      return metrics.flatMap((metric) => readMetric(metric, resource, rejections));
    });

const readMetric = (json: JsonAt, resource: Resource, rejections: Rejections): MetricPoint[] => {
  const name = json.get("name").text();
  for (const form of NOT_KEPT) {
    const points = json.get(form).get("dataPoints").list();
    if (points.length > 0)
      rejections.add(`${cut(name, MAX_NAME)}: a metric of form ${form} is not taken`, points.length);
  }
  const family = familyOf(json);
  if (family === undefined) return [];
  const { kind, isCumulative, points } = family;
  const fault =
    name.length > MAX_NAME
      ? `a name is longer than ${MAX_NAME}`
      : isCumulative
        ? undefined
        : "send cumulative points, not deltas";
  if (fault !== undefined) {
    rejections.add(`${cut(name, MAX_NAME)}: ${fault}`, points.length);
    return [];
  }
  const about = {
    resource,
    name,
    unit: cut(json.get("unit").text(), MAX_NAME),
    description: cut(json.get("description").text(), MAX_TEXT),
    kind,
  };
  return points.flatMap((point) => {
    const value = kind === "histogram" ? readHistogram(point) : readNumber(point);
    if (typeof value === "string") {
      rejections.add(`${name}: ${value}`);
      return [];
    }
    const timeMs = milliseconds(point.get("timeUnixNano").uint64());
    return [{ ...about, timeMs, value, attributes: readAttributes(point.get("attributes")) }];
  });
};

interface Family {
  readonly kind: MetricKind;
  readonly isCumulative: boolean;
  readonly points: readonly JsonAt[];
}

const familyOf = (json: JsonAt): Family | undefined => {
  const [gauge, sum, histogram] = [json.get("gauge"), json.get("sum"), json.get("histogram")];
  const isCumulative = (data: JsonAt): boolean =>
    data.get("aggregationTemporality").enumeration() === CUMULATIVE;
  const points = (data: JsonAt): readonly JsonAt[] => data.get("dataPoints").list();
  if (!gauge.isAbsent) return { kind: "gauge", isCumulative: true, points: points(gauge) };
  if (!sum.isAbsent) {
    const kind = sum.get("isMonotonic").boolean() ? "counter" : "gauge";
    return { kind, isCumulative: isCumulative(sum), points: points(sum) };
  }
  if (histogram.isAbsent) return undefined;
  return { kind: "histogram", isCumulative: isCumulative(histogram), points: points(histogram) };
};

/** The number, or why the point has none. */
const readNumber = (point: JsonAt): number | string => {
  if (point.has("asDouble")) return point.get("asDouble").double();
  if (point.has("asInt")) return Number(point.get("asInt").int64());
  return "a point has no value";
};

/** The histogram, or why the point is none. */
const readHistogram = (point: JsonAt): Histogram | string => {
  const sum = point.get("sum");
  const count = Number(point.get("count").uint64());
  const bounds = point
    .get("explicitBounds")
    .list()
    .map((bound) => bound.double());
  const sent = point
    .get("bucketCounts")
    .list()
    .map((bucket) => Number(bucket.uint64()));
  // Without bounds the one bucket, the infinite one, need not be sent.
  const bucketCounts = sent.length === 0 && bounds.length === 0 ? [count] : sent;
  if (bounds.length > MAX_BOUNDS) return `more than ${MAX_BOUNDS} bounds`;
  if (bucketCounts.length !== bounds.length + 1)
    return "there must be one bucketCount more than explicitBounds";
  if (
    !bounds.every(
      (bound, index) => Number.isFinite(bound) && bound > (bounds[index - 1] ?? Number.NEGATIVE_INFINITY),
    )
  )
    return "explicitBounds must ascend";
  if (bucketCounts.reduce((total, each) => total + each, 0) !== count)
    return "bucketCounts must add up to count";
  return { count, sum: sum.isAbsent ? undefined : sum.double(), bounds, bucketCounts };
};
