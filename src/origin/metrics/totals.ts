/** Merges the metrics of an origin's processes. Counts of processes that have ended are kept. */
import type { Attributes } from "@opentelemetry/api";
import { type DataPoint, DataPointType, type Histogram, type MetricData } from "@opentelemetry/sdk-metrics";
import type { CollectedMetrics } from "../../telemetry/meter-provider.ts";
import type { Service } from "../../telemetry/resource.ts";
import { metricsText } from "./prometheus.ts";

/** Gauges that every process reports alike, or whose worst value counts. The others are added up. */
const MAX_OF: ReadonlySet<string> = new Set([
  "security_event.outbox.rows",
  "security_event.outbox.oldest_age",
  "nodejs.eventloop_lag_p50",
  "nodejs.eventloop_lag_p90",
  "nodejs.eventloop_lag_p99",
  "process.start_time",
]);

/** Equal attributes have equal keys. */
const keyOf = (attributes: Attributes): string =>
  JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));

const addHistograms = (a: Histogram, b: Histogram): Histogram => ({
  count: a.count + b.count,
  sum: (a.sum ?? 0) + (b.sum ?? 0),
  buckets: {
    boundaries: a.buckets.boundaries,
    counts: a.buckets.counts.map((count, index) => count + (b.buckets.counts[index] ?? 0)),
  },
});

/** @param merge of two values of one series */
const mergePoints = <Value>(
  points: readonly DataPoint<Value>[],
  merge: (a: Value, b: Value) => Value,
): DataPoint<Value>[] => {
  const merged = new Map<string, DataPoint<Value>>();
  for (const point of points) {
    const key = keyOf(point.attributes);
    const before = merged.get(key);
    merged.set(key, before === undefined ? point : { ...point, value: merge(before.value, point.value) });
  }
  return [...merged.values()];
};

const mergeMetrics = (one: MetricData, other: MetricData): MetricData => {
  if (one.dataPointType === DataPointType.HISTOGRAM && other.dataPointType === DataPointType.HISTOGRAM)
    return { ...one, dataPoints: mergePoints([...one.dataPoints, ...other.dataPoints], addHistograms) };
  if (one.dataPointType === DataPointType.SUM && other.dataPointType === DataPointType.SUM)
    return { ...one, dataPoints: mergePoints([...one.dataPoints, ...other.dataPoints], (a, b) => a + b) };
  if (one.dataPointType === DataPointType.GAUGE && other.dataPointType === DataPointType.GAUGE) {
    const merge = MAX_OF.has(one.descriptor.name) ? Math.max : (a: number, b: number) => a + b;
    return { ...one, dataPoints: mergePoints([...one.dataPoints, ...other.dataPoints], merge) };
  }
  return one;
};

const merge = (processes: readonly CollectedMetrics[]): CollectedMetrics => {
  const merged = new Map<string, MetricData>();
  for (const metric of processes.flat()) {
    const before = merged.get(metric.descriptor.name);
    merged.set(metric.descriptor.name, before === undefined ? metric : mergeMetrics(before, metric));
  }
  return [...merged.values()];
};

/** If the total of a cumulative metric shrank, Prometheus would count all of it again. */
const isCumulative = (metric: MetricData): boolean =>
  metric.dataPointType === DataPointType.SUM
    ? metric.isMonotonic
    : metric.dataPointType === DataPointType.HISTOGRAM;

export const createTotals = (service: Service) => {
  /** The last report of each live process. */
  const last = new Map<number, CollectedMetrics>();
  let ended: CollectedMetrics = [];
  return {
    /**
     * Prometheus' text format.
     *
     * @param reports of all live processes, by a number that no other process has had; undefined if one did
     *   not respond
     */
    text: (reports: ReadonlyMap<number, CollectedMetrics | undefined>): string => {
      for (const [id, report] of reports) if (report !== undefined) last.set(id, report);
      for (const [id, report] of last) {
        if (reports.has(id)) continue;
        last.delete(id);
        ended = merge([ended, report.filter(isCumulative)]);
      }
      return metricsText(merge([...last.values(), ended]), service);
    },
  };
};
