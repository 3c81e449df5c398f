/** What a meter has measured, as data: nothing in it changes any more. */

/** A label of a series. Empty or undefined: the series has no such label, which to Prometheus is the same. */
export type LabelValue = string | number | undefined;

/** By the labels' names, without those that are empty. */
export type SeriesAttributes = Readonly<Record<string, string | number | boolean>>;

export interface NumberPoint {
  readonly attributes: SeriesAttributes;
  /** When the series began, epoch milliseconds. */
  readonly startMs: number;
  readonly value: number;
}

export interface HistogramPoint {
  readonly attributes: SeriesAttributes;
  readonly startMs: number;
  readonly sum: number;
  readonly count: number;
  /** One for each bound (at most it, and above the one before), and one for what is above them all. */
  readonly bucketCounts: readonly number[];
}

interface MetricHead {
  readonly name: string;
  readonly description: string;
  /** UCUM, as OpenTelemetry has it: `s`, `{request}`. */
  readonly unit: string;
}

/** Counters and histograms are cumulative: what they hold has come together since a point's start. */
export type Metric =
  | (MetricHead & { readonly kind: "counter" | "gauge"; readonly points: readonly NumberPoint[] })
  | (MetricHead & {
      readonly kind: "histogram";
      readonly bounds: readonly number[];
      readonly points: readonly HistogramPoint[];
    });

export interface MetricsSnapshot {
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Where two snapshots of a meter have the same one, they say the same, and the later one need not be sent. */
  readonly revision: number;
  /** Those that have a series. */
  readonly metrics: readonly Metric[];
  /** Gauges whose callback has thrown: of them there is nothing. */
  readonly failed: readonly string[];
}
