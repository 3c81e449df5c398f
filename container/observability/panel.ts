/** A dashboard's content, without the fields that only Grafana needs. */

export interface Query {
  /** PromQL. Grafana replaces `$job`, `$namespace` and `$__rate_interval`. */
  readonly expr: string;
  /** The name of each series, with labels as `{{label}}`. */
  readonly legend: string;
}

/** Grafana's names for seconds, requests per second, a share of 1, bytes, and a plain number. */
export type Unit = "s" | "reqps" | "percentunit" | "bytes" | "short";

export interface Panel {
  readonly title: string;
  /** What a reader needs to know to interpret the panel. A sentence. */
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** `stat` shows the current value only. @default "lines" */
  readonly shape?: "stat" | "lines" | "stack";
  /** Values from which on the panel is yellow, and red. If red is the lower one, less is worse. */
  readonly thresholds?: { readonly yellow: number; readonly red: number };
  /** In columns, of 24. @default 8; for `stat` 6 */
  readonly width?: number;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  /** Also the file's name. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  /** The metric whose `job` values can be selected: one of the tiers that the dashboard covers. */
  readonly jobMetric: string;
  readonly rows: readonly Row[];
}

/** A selector for the dashboard's job and namespace; `more` adds matchers. */
export const selector = (metric: string, more = ""): string =>
  `${metric}{job=~"$job", namespace=~"$namespace"${more === "" ? "" : `, ${more}`}}`;

/** A counter's increase per second, summed by labels. */
export const rateBy = (labels: string, metric: string, more = ""): string =>
  `sum by (${labels}) (rate(${selector(metric, more)}[$__rate_interval]))`;

/** The part of a counter's increase that `part` matches, of what `of` matches; 0, not "No data", if there is none. */
export const shareBy = (labels: string, metric: string, part: string, of = ""): string =>
  `(${rateBy(labels, metric, part)} or 0 * ${rateBy(labels, metric, of)}) / ${rateBy(labels, metric, of)}`;

/** A histogram's quantile, in its unit; `labels` may be empty. */
export const quantileBy = (quantile: number, labels: string, histogram: string, more = ""): string =>
  `histogram_quantile(${quantile}, ${rateBy(labels === "" ? "le" : `${labels}, le`, `${histogram}_bucket`, more)})`;

export const query = (legend: string, expr: string): Query => ({ expr, legend });
