/** A snapshot of a meter as OTLP's ExportMetricsServiceRequest, in JSON's form (opentelemetry-proto, metrics.proto). */
import type { HistogramPoint, Metric, MetricsSnapshot, NumberPoint } from "../metrics/instruments.ts";
import { type AttributeValue, attributes, type KeyValue, nanoseconds } from "./attributes.ts";

interface Point {
  readonly attributes: readonly KeyValue[];
  /** A gauge has none. */
  readonly startTimeUnixNano?: string;
  readonly timeUnixNano: string;
}

/** 64-bit integers are text. */
type OtlpNumberPoint = Point & ({ readonly asInt: string } | { readonly asDouble: number });

interface OtlpHistogramPoint extends Point {
  readonly count: string;
  readonly sum: number;
  readonly bucketCounts: readonly string[];
  readonly explicitBounds: readonly number[];
}

/** AGGREGATION_TEMPORALITY_CUMULATIVE: enums are numbers. */
const CUMULATIVE = 2;

type OtlpMetric = { readonly name: string; readonly description: string; readonly unit: string } & (
  | {
      readonly sum: {
        readonly aggregationTemporality: typeof CUMULATIVE;
        readonly isMonotonic: true;
        readonly dataPoints: readonly OtlpNumberPoint[];
      };
    }
  | { readonly gauge: { readonly dataPoints: readonly OtlpNumberPoint[] } }
  | {
      readonly histogram: {
        readonly aggregationTemporality: typeof CUMULATIVE;
        readonly dataPoints: readonly OtlpHistogramPoint[];
      };
    }
);

export interface OtlpMetricsRequest {
  readonly resourceMetrics: readonly [
    {
      readonly resource: { readonly attributes: readonly KeyValue[] };
      readonly scopeMetrics: readonly [
        { readonly scope: OtlpScope; readonly metrics: readonly OtlpMetric[] },
      ];
    },
  ];
}

/** What has measured. */
export interface OtlpScope {
  readonly name: string;
  readonly version?: string;
}

/** By name: `service.name`, `service.version`, `service.instance.id`. */
export type ResourceAttributes = Readonly<Record<string, AttributeValue | null | undefined>>;

/** When a snapshot was taken; written once, as all of its points have it. */
interface Taken {
  readonly atMs: number;
  readonly timeUnixNano: string;
}

/** A clock that was set back does not let a series end before its start: a receiver would refuse it. */
const timesOf = (startMs: number, { atMs, timeUnixNano }: Taken) => ({
  startTimeUnixNano: nanoseconds(Math.min(startMs, atMs)),
  timeUnixNano,
});

const numberPoint = ({ attributes: own, startMs, value }: NumberPoint, taken: Taken): OtlpNumberPoint => ({
  attributes: attributes(own),
  ...timesOf(startMs, taken),
  ...(Number.isSafeInteger(value) ? { asInt: String(value) } : { asDouble: value }),
});

/** Always a double: what is whole at one time need not be at the next. */
const gaugePoint = ({ attributes: own, value }: NumberPoint, taken: Taken): OtlpNumberPoint => ({
  attributes: attributes(own),
  timeUnixNano: taken.timeUnixNano,
  asDouble: value,
});

const histogramPoint = (
  { attributes: own, startMs, sum, count, bucketCounts }: HistogramPoint,
  explicitBounds: readonly number[],
  taken: Taken,
): OtlpHistogramPoint => ({
  attributes: attributes(own),
  ...timesOf(startMs, taken),
  count: String(count),
  sum,
  bucketCounts: bucketCounts.map(String),
  explicitBounds,
});

const metricOf = (metric: Metric, taken: Taken): OtlpMetric => {
  const { name, description, unit } = metric;
  const head = { name, description, unit };
  switch (metric.kind) {
    case "counter":
      return {
        ...head,
        sum: {
          aggregationTemporality: CUMULATIVE,
          isMonotonic: true,
          dataPoints: metric.points.map((point) => numberPoint(point, taken)),
        },
      };
    case "gauge":
      return { ...head, gauge: { dataPoints: metric.points.map((point) => gaugePoint(point, taken)) } };
    case "histogram":
      return {
        ...head,
        histogram: {
          aggregationTemporality: CUMULATIVE,
          dataPoints: metric.points.map((point) => histogramPoint(point, metric.bounds, taken)),
        },
      };
  }
};

/** For `JSON.stringify`, and `POST /v1/metrics`. */
export const otlpMetrics = (
  { atMs, metrics }: MetricsSnapshot,
  resource: ResourceAttributes,
  scope: OtlpScope,
): OtlpMetricsRequest => {
  const taken: Taken = { atMs, timeUnixNano: nanoseconds(atMs) };
  return {
    resourceMetrics: [
      {
        resource: { attributes: attributes(resource) },
        scopeMetrics: [{ scope, metrics: metrics.map((metric) => metricOf(metric, taken)) }],
      },
    ],
  };
};
