/**
 * Names and text of Prometheus (OpenTelemetry, "Prometheus and OpenMetrics Compatibility"; Prometheus, "Exposition
 * formats", version 0.0.4).
 */
import type { Histogram, MetricKind } from "./otlp.ts";
import { type Attributes, plainText } from "./otlp-values.ts";

export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Pairs of name and value, sorted by name. */
export type Labels = readonly (readonly [name: string, value: string])[];

export interface Sample {
  readonly labels: Labels;
  readonly value: number | Histogram;
}

/** All series of one name. */
export interface Family {
  readonly name: string;
  readonly kind: MetricKind;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const UNITS: ReadonlyMap<string, string> = new Map([
  ["s", "seconds"],
  ["ms", "milliseconds"],
  ["By", "bytes"],
  ["%", "percent"],
  ["1", ""],
]);

const words = (text: string): string[] => text.split(/[^A-Za-z0-9:]+/).filter((word) => word !== "");

/** The metric's name with its unit and, for a counter, `_total`; undefined if no character of it is valid. */
export const metricName = (name: string, unit: string, kind: MetricKind): string | undefined => {
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
  return /^\d/.test(name) ? `key_${name}` : name;
};

/** Labels that the resource and the metric types set; attributes of these names get a prefix, as in Prometheus. */
const RESERVED: ReadonlySet<string> = new Set(["job", "instance", "le", "quantile"]);

/** Keys that become the same name share its label, their values joined by `;`. Empty values are left out. */
export const labelsOf = (attributes: Attributes): Labels => {
  const pairs = Object.entries(attributes)
    .filter(([, value]) => value !== null && value !== "")
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => [labelName(key), plainText(value)] as const);
  const byName = Map.groupBy(pairs, ([name]) => (RESERVED.has(name) ? `exported_${name}` : name));
  return [...byName]
    .map(([name, same]) => [name, same.map(([, value]) => value).join(";")] as const)
    .sort(([one], [other]) => (one < other ? -1 : 1));
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
  const { count, sum, bounds, bucketCounts } = histogram;
  let cumulative = 0;
  const buckets = bounds.map((bound, index) => {
    cumulative += bucketCounts[index] ?? 0;
    return line(`${name}_bucket`, [...labels, ["le", numberText(bound)]], cumulative);
  });
  return [
    ...buckets,
    line(`${name}_bucket`, [...labels, ["le", "+Inf"]], count),
    ...(sum === undefined ? [] : [line(`${name}_sum`, labels, sum)]),
    line(`${name}_count`, labels, count),
  ];
};

const familyLines = ({ name, kind, help, samples }: Family): string[] => [
  `# HELP ${name} ${escaped(help)}`,
  `# TYPE ${name} ${kind}`,
  ...samples.flatMap(({ labels, value }) =>
    typeof value === "number" ? line(name, labels, value) : histogramLines(name, labels, value),
  ),
];

export const expositionText = (families: readonly Family[]): string =>
  families.map((family) => `${familyLines(family).join("\n")}\n`).join("");
