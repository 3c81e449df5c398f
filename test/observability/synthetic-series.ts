/** Series of both tiers, generated from the known metrics, to evaluate expressions. */
import { type KnownMetric, knownMetrics } from "./known-metrics.ts";

export interface InputSeries {
  readonly series: string;
  readonly values: string;
}

type Labels = Readonly<Record<string, string>>;
/** The labels that a scrape adds, for each tier. */
export type Shape = Readonly<Record<"edge" | "origin", Labels>>;

export const COMPOSE: Shape = {
  origin: { job: "web-api", instance: "web-api:9090" },
  edge: { job: "breakwater-edge", instance: "7f0d5c4e-0000-4000-8000-000000000001" },
};
export const KUBERNETES: Shape = {
  origin: { job: "web-api", instance: "10.0.0.1:9090", namespace: "breakwater-production", pod: "web-api-1" },
  edge: { ...COMPOSE.edge, namespace: "breakwater-production" },
};

/** Twenty minutes of one sample every 15 seconds. */
const SAMPLES = 80;
const rising = (step: number): string => `0+${step}x${SAMPLES}`;
const BUCKETS = { "0.1": 3, "0.5": 4, "+Inf": 5 } as const;

const combined = (labels: KnownMetric["labels"]): Labels[] =>
  Object.entries(labels).reduce<Labels[]>(
    (sets, [label, values]) => sets.flatMap((set) => values.map((value) => ({ ...set, [label]: value }))),
    [{}],
  );

const selector = (name: string, labels: Labels): string =>
  `${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
    .join(", ")}}`;

const seriesOf = (name: string, { type }: KnownMetric, labels: Labels): InputSeries[] => {
  if (type === "gauge") return [{ series: selector(name, labels), values: `1x${SAMPLES}` }];
  if (type === "counter") return [{ series: selector(name, labels), values: rising(2) }];
  return [
    ...Object.entries(BUCKETS).map(([le, step]) => ({
      series: selector(`${name}_bucket`, { ...labels, le }),
      values: rising(step),
    })),
    { series: selector(`${name}_count`, labels), values: rising(5) },
    { series: selector(`${name}_sum`, labels), values: rising(1) },
  ];
};

/** A series for each combination of each metric's labels, and `up`. */
export const syntheticSeries = (shape: Shape): InputSeries[] => [
  ...Object.entries(knownMetrics).flatMap(([name, metric]) =>
    metric.from.flatMap((from) =>
      from === "edge" || from === "origin"
        ? combined(metric.labels).flatMap((labels) => seriesOf(name, metric, { ...labels, ...shape[from] }))
        : [],
    ),
  ),
  { series: selector("up", shape.origin), values: `1x${SAMPLES}` },
];
