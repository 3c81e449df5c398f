/** Prometheus's text exposition, format 0.0.4 (Prometheus, "Exposition formats"). */
import type { Histogram, MetricKind } from "./otlp-metrics.ts";
import type { Labels } from "./prometheus-name.ts";

export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export interface Sample {
  readonly labels: Labels;
  /** A histogram where the family is one. */
  readonly value: number | Histogram;
}

/** All that has one name. */
export interface Family {
  readonly name: string;
  readonly kind: MetricKind;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const escapedHelp = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll(/\r\n|[\n\r]/g, "\\n");

const escapedValue = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

const numberText = (value: number): string => {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
};

const line = (name: string, labels: Labels, value: number): string => {
  const pairs = labels.map(([label, text]) => `${label}="${escapedValue(text)}"`).join(",");
  return `${name}${pairs === "" ? "" : `{${pairs}}`} ${numberText(value)}`;
};

/** OTLP's buckets each count for themselves, Prometheus's all that is below their bound. */
const histogramLines = (
  name: string,
  labels: Labels,
  { count, sum, bounds, bucketCounts }: Histogram,
): string[] => {
  let below = 0;
  const buckets = bounds.map((bound, index) => {
    below += bucketCounts[index] ?? 0;
    return line(`${name}_bucket`, [...labels, ["le", numberText(bound)]], below);
  });
  return [
    ...buckets,
    line(`${name}_bucket`, [...labels, ["le", "+Inf"]], count),
    ...(sum === undefined ? [] : [line(`${name}_sum`, labels, sum)]),
    line(`${name}_count`, labels, count),
  ];
};

const familyLines = ({ name, kind, help, samples }: Family): string[] => [
  `# HELP ${name} ${escapedHelp(help)}`,
  `# TYPE ${name} ${kind}`,
  ...samples.flatMap(({ labels, value }) =>
    typeof value === "number" ? line(name, labels, value) : histogramLines(name, labels, value),
  ),
];

export const expositionText = (families: readonly Family[]): string =>
  families.map((family) => `${familyLines(family).join("\n")}\n`).join("");
