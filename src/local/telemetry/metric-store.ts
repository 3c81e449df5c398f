/** The last point of every series lately received, as Prometheus names it. */
import type { Histogram, MetricKind, MetricPoint } from "./otlp-metrics.ts";
import type { Resource } from "./otlp-values.ts";
import { type Labels, labelsOf, metricName } from "./prometheus-name.ts";
import type { Family, Sample } from "./prometheus-text.ts";

export interface MetricStoreOptions {
  /** How many series are kept; beyond it new ones are rejected. A histogram counts as one. @default 20,000 */
  readonly maxSeries?: number;
  /** After how long without a point an instance's series go. @default 600,000 (10 minutes) */
  readonly silentMs?: number;
  /** Epoch milliseconds. @default Date.now */
  readonly now?: () => number;
}

export interface MetricStore {
  /**
   * Keeps a point as its series' last, unless a later one is there. A series is an instance of a service, a metric
   * and its attributes.
   *
   * @returns why it was not taken; undefined where it was
   */
  record(point: MetricPoint): string | undefined;
  /** By name; instances that have been silent for too long are gone from it, and `target_info` names the others. */
  families(): readonly Family[];
  /** How many series there are. */
  readonly size: number;
}

/** What the receiver itself exposes beside what it has received begins with this. */
export const OWN_PREFIX = "telemetry_receiver_";
const TARGET_INFO = "target_info";

/** How many characters a series' names and values may have together. */
const MAX_KEY = 8_192;

interface Series {
  readonly family: string;
  readonly labels: Labels;
  timeMs: number;
  value: number | Histogram;
}

interface Instance {
  readonly job: Labels;
  readonly targetInfo: Labels;
  readonly series: Map<string, Series>;
  lastHeardMs: number;
}

interface KnownFamily {
  readonly kind: MetricKind;
  readonly help: string;
  series: number;
}

/** What the resource and the types write; an attribute of such a name gets another. */
const OWN_LABELS: ReadonlySet<string> = new Set(["job", "instance", "le", "quantile"]);

/** `job` and `instance` stand for the resource ("Resource Attributes" in the compatibility specification). */
const jobLabels = ({ service, instance }: Resource): Labels =>
  instance === undefined
    ? [["job", service]]
    : [
        ["instance", instance],
        ["job", service],
      ];

const newInstance = (resource: Resource): Instance => {
  const { "service.name": _, "service.instance.id": __, ...others } = resource.attributes;
  const labels = labelsOf(others, OWN_LABELS);
  const targetInfo = JSON.stringify(labels).length > MAX_KEY ? [] : labels;
  return { job: jobLabels(resource), targetInfo, series: new Map(), lastHeardMs: 0 };
};

export const createMetricStore = (options: MetricStoreOptions = {}): MetricStore => {
  const { maxSeries = 20_000, silentMs = 600_000, now = Date.now } = options;
  const instances = new Map<string, Instance>();
  const families = new Map<string, KnownFamily>();
  let size = 0;

  const forgetSeries = ({ family: name }: Series): void => {
    size -= 1;
    const family = families.get(name);
    if (family === undefined) return;
    family.series -= 1;
    if (family.series === 0) families.delete(name);
  };

  const forgetSilent = (): void => {
    const sinceMs = now() - silentMs;
    for (const [key, { lastHeardMs, series }] of instances) {
      if (lastHeardMs >= sinceMs) continue;
      instances.delete(key);
      for (const each of series.values()) forgetSeries(each);
    }
  };

  const addSeries = (
    instanceKey: string,
    key: string,
    point: MetricPoint,
    series: Series,
  ): string | undefined => {
    if (key.length + instanceKey.length > MAX_KEY) return `attributes are longer than ${MAX_KEY} characters`;
    if (size >= maxSeries) forgetSilent();
    if (size >= maxSeries) return `there are ${maxSeries} series already`;
    const { kind, description, name } = point;
    const family = families.get(series.family) ?? { kind, help: description || name, series: 0 };
    families.set(series.family, family);
    family.series += 1;
    size += 1;
    const instance = instances.get(instanceKey) ?? newInstance(point.resource);
    instances.set(instanceKey, instance);
    instance.series.set(key, series);
    instance.lastHeardMs = now();
    return undefined;
  };

  const record = (point: MetricPoint): string | undefined => {
    const { name, unit, kind, resource, attributes, timeMs, value } = point;
    const family = metricName(name, unit, kind);
    if (family === undefined) return "a name has no letter or digit";
    if (family === TARGET_INFO || family.startsWith(OWN_PREFIX))
      return `${family} is the receiver's own name`;
    const known = families.get(family);
    if (known !== undefined && known.kind !== kind)
      return `${family} is a ${known.kind} already, not a ${kind}`;
    const labels = labelsOf(attributes, OWN_LABELS);
    const instanceKey = JSON.stringify([resource.service, resource.instance]);
    const key = JSON.stringify([family, labels]);
    const instance = instances.get(instanceKey);
    const series = instance?.series.get(key);
    if (instance === undefined || series === undefined) {
      const reason = addSeries(instanceKey, key, point, { family, labels, timeMs, value });
      return reason === undefined ? undefined : `${family}: ${reason}`;
    }
    instance.lastHeardMs = now();
    if (timeMs >= series.timeMs) {
      series.timeMs = timeMs;
      series.value = value;
    }
    return undefined;
  };

  const allSamples = (): Map<string, Sample[]> => {
    const samples = new Map<string, Sample[]>();
    for (const { job, series } of instances.values()) {
      for (const { family, labels, value } of series.values()) {
        const those = samples.get(family) ?? [];
        those.push({ labels: [...job, ...labels], value });
        samples.set(family, those);
      }
    }
    return samples;
  };

  const targetInfo = (): Family[] => {
    const samples = [...instances.values()]
      .filter(({ targetInfo }) => targetInfo.length > 0)
      .map(({ job, targetInfo }) => ({ labels: [...job, ...targetInfo], value: 1 }));
    return samples.length === 0
      ? []
      : [{ name: TARGET_INFO, kind: "gauge", help: "What is known of who sent metrics.", samples }];
  };

  return {
    record,
    families: () => {
      forgetSilent();
      const received = [...allSamples()].map(([name, samples]): Family => {
        const { kind = "gauge", help = name } = families.get(name) ?? {};
        return { name, kind, help, samples };
      });
      return [...received, ...targetInfo()].sort(({ name: one }, { name: other }) => (one < other ? -1 : 1));
    },
    get size() {
      return size;
    },
  };
};
