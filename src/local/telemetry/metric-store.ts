/** The last point of every series, by Prometheus's names. */
import type { Histogram, MetricKind, MetricPoint } from "./otlp.ts";
import { type Family, type Labels, labelsOf, metricName } from "./prometheus.ts";

export interface MetricStoreOptions {
  /** Beyond it, new series are rejected; a histogram is one. @default 20,000 */
  readonly maxSeries?: number;
  /** Series of an instance that sends nothing for longer are dropped, milliseconds. @default 600,000 */
  readonly silentMs?: number;
  /** Epoch milliseconds. @default Date.now */
  readonly now?: () => number;
}

export interface MetricStore {
  /**
   * Stores a point unless its series has a later one. A series is an instance of a service, a metric and its attributes.
   *
   * @returns why the point was rejected, or undefined
   */
  record(point: MetricPoint): string | undefined;
  /** Sorted by name. */
  families(): readonly Family[];
  /** The number of series. */
  readonly size: number;
}

/** Characters of a series' names and values together. */
const MAX_KEY = 8_192;

interface Series {
  readonly name: string;
  readonly kind: MetricKind;
  readonly help: string;
  readonly labels: Labels;
  readonly instance: string;
  timeMs: number;
  value: number | Histogram;
}

export const createMetricStore = (options: MetricStoreOptions = {}): MetricStore => {
  const { maxSeries = 20_000, silentMs = 600_000, now = Date.now } = options;
  const allSeries = new Map<string, Series>();
  const kinds = new Map<string, MetricKind>();
  const lastSeenMs = new Map<string, number>();

  const dropSilent = (): void => {
    const sinceMs = now() - silentMs;
    const silent = [...lastSeenMs].filter(([, seenMs]) => seenMs < sinceMs);
    if (silent.length === 0) return;
    for (const [instance] of silent) lastSeenMs.delete(instance);
    kinds.clear();
    for (const [key, { name, kind, instance }] of allSeries) {
      if (lastSeenMs.has(instance)) kinds.set(name, kind);
      else allSeries.delete(key);
    }
  };

  const record = ({ name: ownName, unit, kind, description, ...point }: MetricPoint): string | undefined => {
    const { service, instance: instanceId } = point.resource;
    const name = metricName(ownName, unit, kind);
    if (name === undefined) return "a name has no letter or digit";
    if (point.value === undefined) return `${name}: not a cumulative and consistent value`;
    const otherKind = kinds.get(name);
    if (otherKind !== undefined && otherKind !== kind)
      return `${name} is already a ${otherKind}, not a ${kind}`;
    const instance = JSON.stringify([service, instanceId]);
    const own = labelsOf(point.attributes);
    const key = JSON.stringify([name, instance, own]);
    const { timeMs, value } = point;
    const series = allSeries.get(key);
    if (series !== undefined && timeMs >= series.timeMs) Object.assign(series, { timeMs, value });
    if (series === undefined) {
      if (key.length > MAX_KEY) return `${name}: attributes are longer than ${MAX_KEY} characters`;
      if (allSeries.size >= maxSeries) dropSilent();
      if (allSeries.size >= maxSeries) return `${name}: the limit of ${maxSeries} series is reached`;
      const job: Labels = [
        ...(instanceId === undefined ? [] : [["instance", instanceId] as const]),
        ["job", service],
      ];
      allSeries.set(key, {
        name,
        kind,
        help: description || ownName,
        labels: [...job, ...own],
        instance,
        timeMs,
        value,
      });
      kinds.set(name, kind);
    }
    lastSeenMs.set(instance, now());
    return undefined;
  };

  return {
    record,
    families: () => {
      dropSilent();
      return [...Map.groupBy(allSeries.values(), ({ name }) => name)]
        .map(([name, samples]): Family => {
          const { kind, help } = samples[0] ?? { kind: "gauge", help: name };
          return { name, kind, help, samples };
        })
        .sort((one, other) => (one.name < other.name ? -1 : 1));
    },
    get size() {
      return allSeries.size;
    },
  };
};
