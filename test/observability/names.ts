/** The unknown names in an expression. */
import { HTTP_DURATION_BOUNDS_S } from "../../src/telemetry/instruments.ts";
import { labelNamesIn, type Matcher, matchersIn, metricNamesIn } from "./expression.ts";
import { knownMetrics, metricOfSeries, OPEN, TARGET_LABELS } from "./known-metrics.ts";

const BUCKETS = [...HTTP_DURATION_BOUNDS_S.map(String), "+Inf"];

/** Values that the label never has; each alternative of a pattern is a value. */
const impossibleValues = (series: readonly string[], { label, operator, value }: Matcher): string[] => {
  if (label in OPEN || TARGET_LABELS.includes(label) || label === "__name__" || value === "") return [];
  const possible =
    label === "le"
      ? BUCKETS
      : series.flatMap((name) => knownMetrics[metricOfSeries(name) ?? ""]?.labels[label] ?? []);
  const wanted = operator.endsWith("~") ? value.split("|") : [value];
  return wanted.filter((each) => !possible.includes(each)).map((each) => `${label} is never ${each}`);
};

/** @returns a fault for each unknown metric, for each label that none of its metrics has, and for each impossible value */
export const faultsOfNames = (expr: string): string[] => {
  const series = metricNamesIn(expr);
  const unknown = series.filter((name) => metricOfSeries(name) === undefined);
  const labels = series.flatMap((name) => {
    const own = Object.keys(knownMetrics[metricOfSeries(name) ?? ""]?.labels ?? {});
    return name.endsWith("_bucket") ? [...own, "le"] : own;
  });
  const stray = labelNamesIn(expr).filter((label) => ![...labels, ...TARGET_LABELS].includes(label));
  return [
    ...unknown.map((name) => `${name} is an unknown metric, in: ${expr}`),
    ...matchersIn(expr)
      .flatMap((matcher) => impossibleValues(series, matcher))
      .map((fault) => `${fault}, in: ${expr}`),
    ...stray.map((label) => `no metric has a label ${label}, in: ${expr}`),
  ];
};
