/**
 * The last value of every metric series, by the names and in the text of Prometheus (OpenTelemetry, "Prometheus and
 * OpenMetrics Compatibility"; Prometheus, "Exposition formats", version 0.0.4).
 */
import { LRUCache } from "lru-cache";
import { type Histogram, type MetricPoint, plainText } from "./otlp.ts";

type Labels = readonly (readonly [name: string, value: string])[];

interface Series {
  readonly name: string;
  readonly kind: MetricPoint["kind"];
  readonly help: string;
  readonly labels: Labels;
  readonly value: number | Histogram;
}

/** All series of one name. */
export interface Family extends Pick<Series, "name" | "kind" | "help"> {
  readonly samples: readonly Series[];
}

export type MetricStore = ReturnType<typeof createMetricStore>;

/** A histogram is one series. Beyond it, the series that was silent for longest is dropped. */
const MAX_SERIES = 20_000;
/** Characters of a series' names and values. */
const MAX_KEY = 8_192;
/** Then a series is dropped: its instance has ended. */
const SILENT_MS = 600_000;

export const createMetricStore = () => {
  const allSeries = new LRUCache<string, Series>({ max: MAX_SERIES, ttl: SILENT_MS });
  return {
    /** @returns false if Prometheus cannot express the point */
    record: (point: MetricPoint): boolean => {
      const { kind, value, description } = point;
      const name = metricName(point);
      const labels = labelsOf(point);
      const key = JSON.stringify([name, kind, labels]);
      if (name === undefined || value === undefined || key.length > MAX_KEY) return false;
      allSeries.set(key, { name, kind, help: description || point.name, labels, value });
      return true;
    },
    /** Sorted by name. */
    families: (): readonly Family[] => {
      allSeries.purgeStale();
      const sorted = [...allSeries.entries()].sort(([one], [other]) => (one < other ? -1 : 1));
      const byName = Map.groupBy(
        sorted.map(([, series]) => series),
        ({ name }) => name,
      );
      return [...byName.values()].flatMap((samples) =>
        samples.slice(0, 1).map((first) => ({ ...first, samples })),
      );
    },
    /** The number of series. */
    get size() {
      return allSeries.size;
    },
  };
};

const UNITS: ReadonlyMap<string, string> = new Map([
  ["s", "seconds"],
  ["ms", "milliseconds"],
  ["By", "bytes"],
  ["%", "percent"],
  ["1", ""],
]);

const words = (text: string): string[] => text.split(/[^A-Za-z0-9:]+/).filter((word) => word !== "");

/** The metric's name with its unit and, for a counter, `_total`; undefined if no character of it is valid. */
const metricName = ({ name, unit, kind }: MetricPoint): string | undefined => {
  const own = words(name);
  if (own.length === 0) return undefined;
  // An annotation in braces is no unit.
  const suffix = words(UNITS.get(unit) ?? unit.replaceAll(/\{[^}]*\}/g, ""));
  const type = kind === "counter" ? "total" : kind === "gauge" && unit === "1" ? "ratio" : undefined;
  const full = suffix.every((word) => own.includes(word)) ? own : [...own, ...suffix];
  const joined = (type === undefined ? full : [...full.filter((word) => word !== type), type]).join("_");
  return /^\d/.test(joined) ? `_${joined}` : joined;
};

const labelName = (key: string): string => {
  const name = key.replaceAll(/[^A-Za-z0-9]+/g, "_") || "_";
  // Labels that the resource and the metric types set get a prefix, as in Prometheus.
  if (["job", "instance", "le", "quantile"].includes(name)) return `exported_${name}`;
  return /^\d/.test(name) ? `key_${name}` : name;
};

/** Sorted by name; of keys that become the same name, the last counts. Empty values are left out. */
const labelsOf = ({ service, instance, attributes }: MetricPoint): Labels => {
  const own = Object.entries(attributes)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => [labelName(key), plainText(value)] as const)
    .sort(([one], [other]) => (one < other ? -1 : 1));
  const resource = [
    ["instance", instance ?? ""],
    ["job", service],
  ] as const;
  return [...new Map([...resource, ...own])].filter(([, value]) => value !== "");
};

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll(/\r\n|[\n\r]/g, "\\n");

const numberText = (value: number): string =>
  Math.abs(value) === Number.POSITIVE_INFINITY ? (value > 0 ? "+Inf" : "-Inf") : String(value);

const line = (name: string, labels: Labels, value: number): string => {
  const pairs = labels.map(([label, text]) => `${label}="${escaped(text).replaceAll('"', '\\"')}"`).join(",");
  return `${name}${pairs === "" ? "" : `{${pairs}}`} ${numberText(value)}`;
};

/** Prometheus's buckets are cumulative, OTLP's are not. */
const histogramLines = (name: string, labels: Labels, histogram: Histogram): string[] => {
  const { count, sum, explicitBounds, bucketCounts } = histogram;
  let cumulative = 0;
  const buckets = explicitBounds.map((bound, index) => {
    cumulative += bucketCounts[index] ?? 0;
    return line(`${name}_bucket`, [...labels, ["le", numberText(bound)]], cumulative);
  });
  return [
    ...buckets,
    line(`${name}_bucket`, [...labels, ["le", "+Inf"]], count),
    ...(typeof sum === "number" ? [line(`${name}_sum`, labels, sum)] : []),
    line(`${name}_count`, labels, count),
  ];
};

export const expositionText = (families: readonly Family[]): string =>
  families
    .flatMap(({ name, kind, help, samples }) => [
      `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${kind}`,
      ...samples.flatMap(({ labels, value }) =>
        typeof value === "number" ? line(name, labels, value) : histogramLines(name, labels, value),
      ),
    ])
    .map((text) => `${text}\n`)
    .join("");
