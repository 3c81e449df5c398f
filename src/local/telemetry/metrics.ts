/** The last value of every metric series, in Prometheus's text format, named as by the origin. */
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

/** One more drops the series without a value for longest. A histogram is one series. */
const MAX_SERIES = 20_000;
/** A series without a new value for this time is dropped: its instance has ended. */
const SILENT_MS = 600_000;

interface Series extends Pick<Metric, "name" | "unit" | "description" | "kind"> {
  /** With the resource as Prometheus's `job` and `instance`. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly value: number | Histogram;
}

export const createMetricStore = () => {
  const allSeries = new LRUCache<string, Series>({ max: MAX_SERIES, ttl: SILENT_MS });
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  return {
    /** Values are cumulative: each replaces the last of its series. Points without a value are skipped. */
    record: ({ service, instance, points, ...about }: Metric): void => {
      for (const { attributes, value } of points) {
        if (value === undefined) continue;
        const labels = { ...attributes, job: service, ...(instance === undefined ? {} : { instance }) };
        const key = JSON.stringify([about.name, Object.entries(labels).sort()]);
        allSeries.set(key, { ...about, attributes: labels, value });
      }
    },
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
