/** The last value of every metric series, in Prometheus' text format and under the same names as the origin's own. */
import { type HrTime, ValueType } from "@opentelemetry/api";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { emptyResource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type MetricData,
} from "@opentelemetry/sdk-metrics";
import { LRUCache } from "lru-cache";
import { withUnit } from "../../origin/metrics/prometheus.ts";
import type { AttributeValue, Histogram, Metric } from "./otlp.ts";

export type MetricStore = ReturnType<typeof createMetricStore>;

/** A histogram is one series. Beyond it, the series that was silent for longest is dropped. */
const MAX_SERIES = 20_000;
/** Then a series is dropped: its instance has ended. */
const SILENT_MS = 600_000;

interface Series extends Pick<Metric, "name" | "unit" | "description" | "kind"> {
  /** With the resource's `job` and `instance`, as Prometheus has them. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly value: number | Histogram;
}

export const createMetricStore = () => {
  const allSeries = new LRUCache<string, Series>({ max: MAX_SERIES, ttl: SILENT_MS });
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  return {
    /** Cumulative values replace what is there, deltas are added to it. Points without a value are skipped. */
    record: ({ service, instance, isDelta, points, ...about }: Metric): void => {
      for (const { attributes, value } of points) {
        if (value === undefined) continue;
        const labels = { ...attributes, job: service, ...(instance === undefined ? {} : { instance }) };
        const key = JSON.stringify([about.name, Object.entries(labels).sort()]);
        const before = isDelta ? allSeries.peek(key)?.value : undefined;
        allSeries.set(key, { ...about, attributes: labels, value: sumOf(before, value) });
      }
    },
    /** Prometheus' text format. */
    text: (): string => {
      allSeries.purgeStale();
      const families = Map.groupBy(allSeries.values(), ({ name, kind }) => `${kind} ${name}`);
      if (families.size === 0) return "";
      const metrics = [...families.values()].map(metricDataOf).map(withUnit);
      const scopeMetrics = [{ scope: { name: "" }, metrics }];
      return serializer.serialize({ resource: emptyResource(), scopeMetrics });
    },
    /** The number of series. */
    get size() {
      return allSeries.size;
    },
  };
};

/** Histograms of other buckets, as after a restart with other bounds, begin again. */
const sumOf = (before: Series["value"] | undefined, value: Series["value"]): Series["value"] => {
  if (typeof before === "number" && typeof value === "number") return before + value;
  if (typeof before !== "object" || typeof value !== "object") return value;
  const { boundaries, counts } = before.buckets;
  if (String(boundaries) !== String(value.buckets.boundaries)) return value;
  return {
    count: before.count + value.count,
    sum: (before.sum ?? 0) + (value.sum ?? 0),
    buckets: { boundaries, counts: counts.map((count, at) => count + (value.buckets.counts[at] ?? 0)) },
  };
};

const UNKNOWN: HrTime = [0, 0];
const TIMES = { startTime: UNKNOWN, endTime: UNKNOWN };

/** @param family the series of one metric */
const metricDataOf = (family: readonly Series[]): MetricData => {
  const { name = "", description = "", unit = "", kind = "gauge" } = family[0] ?? {};
  const common = {
    descriptor: { name, description, unit, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  const numbers: DataPoint<number>[] = [];
  const histograms: DataPoint<Histogram>[] = [];
  for (const { attributes, value } of family) {
    if (typeof value === "number") numbers.push({ ...TIMES, attributes, value });
    else histograms.push({ ...TIMES, attributes, value });
  }
  switch (kind) {
    case "histogram":
      return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints: histograms };
    case "counter":
      return { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: numbers };
    case "gauge":
      return { ...common, dataPointType: DataPointType.GAUGE, dataPoints: numbers };
  }
};
