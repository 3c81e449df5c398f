/** What a dashboard says, without what Grafana wants besides. */

export interface Query {
  /** PromQL. `$job`, `$namespace` and `$__rate_interval` are Grafana's to fill in. */
  readonly expr: string;
  /** A series' name, with labels as `{{label}}`. */
  readonly legend: string;
}

/** Grafana's names of units: seconds, requests a second, a share of 1, bytes, a plain number. */
export type Unit = "s" | "reqps" | "percentunit" | "bytes" | "short";

export interface Panel {
  readonly title: string;
  /** What a reader has to know to judge what is drawn. */
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** One number of now instead of a curve. @default "curve" */
  readonly shape?: "number" | "curve" | "stack";
  /** Values from which on it is yellow, and red; where red is the lower one, less is worse. */
  readonly alarm?: { readonly yellow: number; readonly red: number };
  /** Of the 24 columns. @default 8, a number 6 */
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
  /** The metric whose `job` values are to choose from: those of the tier that the dashboard is about. */
  readonly jobsOf: string;
  readonly rows: readonly Row[];
}

/** The labels by which every panel chooses; `more` are further matchers. In compose there is no namespace. */
export const chosen = (metric: string, more = ""): string =>
  `${metric}{job=~"$job", namespace=~"$namespace"${more === "" ? "" : `, ${more}`}}`;

/** A second's growth of a counter, summed by labels. */
export const rateBy = (labels: string, metric: string, more = ""): string =>
  `sum by (${labels}) (rate(${chosen(metric, more)}[$__rate_interval]))`;

/** A histogram's quantile, in its unit; `labels` may be none. */
export const quantileBy = (quantile: number, labels: string, histogram: string, more = ""): string =>
  `histogram_quantile(${quantile}, ${rateBy(labels === "" ? "le" : `${labels}, le`, `${histogram}_bucket`, more)})`;

export const query = (legend: string, expr: string): Query => ({ expr, legend });
