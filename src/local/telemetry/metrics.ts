/**
 * The last value of every metric series, by the names and in the text of Prometheus (OpenTelemetry, "Prometheus and
 * OpenMetrics Compatibility"; Prometheus, "Exposition formats", version 0.0.4).
 */
import { LRUCache } from "lru-cache";
import { type Histogram, type MetricPoint, plainText } from "./otlp.ts";

export type MetricStore = ReturnType<typeof createMetricStore>;

/** A histogram is one series. Beyond it, the series that was silent for longest is dropped. */
const MAX_SERIES = 20_000;
/** Characters of a series' name and labels. */
const MAX_KEY = 8_192;
/** Then a series is dropped: its instance has ended. */
const SILENT_MS = 600_000;

export const createMetricStore = () => {
  const allSeries = new LRUCache<string, { name: string; head: string; lines: string }>({
    max: MAX_SERIES,
    ttl: SILENT_MS,
  });
  return {
    /** @returns false if Prometheus cannot express the point */
    record: (point: MetricPoint): boolean => {
      const { kind, value, description } = point;
      const name = metricName(point);
      const labels = labelsOf(point);
      const key = `${name}{${labels}}`;
      if (name === undefined || value === undefined || key.length > MAX_KEY) return false;
      const head = `# HELP ${name} ${escaped(description || point.name)}\n# TYPE ${name} ${kind}\n`;
      const lines =
        typeof value === "number" ? line(name, labels, value) : histogramLines(name, labels, value);
      allSeries.set(key, { name, head, lines });
      return true;
    },
    /** Prometheus's text. */
    text: (): string => {
      allSeries.purgeStale();
      const sorted = [...allSeries.entries()].sort(([one], [other]) => (one < other ? -1 : 1));
      return [...Map.groupBy(sorted, ([, { name }]) => name).values()]
        .map((family) => `${family[0]?.[1].head}${family.map(([, { lines }]) => lines).join("")}`)
        .join("");
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

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll(/\r\n|[\n\r]/g, "\\n");

/** Sorted by name; of keys that become the same name, the last counts. Empty values are left out. */
const labelsOf = ({ service, instance, attributes }: MetricPoint): string => {
  const own = Object.entries(attributes)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => [labelName(key), plainText(value)] as const)
    .sort(([one], [other]) => (one < other ? -1 : 1));
  const resource = [["instance", instance ?? ""] as const, ["job", service] as const];
  return [...new Map([...resource, ...own])]
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}="${escaped(value).replaceAll('"', '\\"')}"`)
    .join(",");
};

const numberText = (value: number): string =>
  Math.abs(value) === Number.POSITIVE_INFINITY ? (value > 0 ? "+Inf" : "-Inf") : String(value);

const line = (name: string, labels: string, value: number): string =>
  `${name}{${labels}} ${numberText(value)}\n`;

/** Prometheus's buckets are cumulative, OTLP's are not. */
const histogramLines = (name: string, labels: string, histogram: Histogram): string => {
  const { count, sum, explicitBounds, bucketCounts } = histogram;
  let cumulative = 0;
  const bucket = (bound: number, value: number): string =>
    line(`${name}_bucket`, `${labels},le="${numberText(bound)}"`, value);
  const buckets = explicitBounds.map((bound, index) => {
    cumulative += bucketCounts[index] ?? 0;
    return bucket(bound, cumulative);
  });
  const sums = typeof sum === "number" ? line(`${name}_sum`, labels, sum) : "";
  return [...buckets, bucket(Infinity, count), sums, line(`${name}_count`, labels, count)].join("");
};
