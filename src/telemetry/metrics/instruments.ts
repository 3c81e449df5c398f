/** One series of each kind: what an increment or an observation costs is decided here. */

export class CounterSeries {
  readonly #attributes: SeriesAttributes;
  readonly #startMs: number;
  #value = 0;

  constructor(attributes: SeriesAttributes, startMs: number) {
    this.#attributes = attributes;
    this.#startMs = startMs;
  }

  /** What is no finite number above 0 changes nothing. */
  add(by: number): void {
    if (!(by > 0 && by < Number.POSITIVE_INFINITY)) return;
    this.#value += by;
  }

  point(): NumberPoint {
    return { attributes: this.#attributes, startMs: this.#startMs, value: this.#value };
  }
}

export class HistogramSeries {
  readonly #attributes: SeriesAttributes;
  readonly #startMs: number;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(attributes: SeriesAttributes, startMs: number, bounds: readonly number[]) {
    this.#attributes = attributes;
    this.#startMs = startMs;
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  /** In the instrument's unit; what is no finite number from 0 on changes nothing. */
  record(value: number): void {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) return;
    const bounds = this.#bounds;
    let bucket = 0;
    // Most of what is measured is short: a search from the start ends early.
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  point(): HistogramPoint {
    // A copy: the snapshot stays what it is.
    const bucketCounts = [...this.#counts];
    const count = bucketCounts.reduce((total, each) => total + each, 0);
    return { attributes: this.#attributes, startMs: this.#startMs, sum: this.#sum, count, bucketCounts };
  }
}

export class GaugeSeries {
  readonly #attributes: SeriesAttributes;
  readonly #startMs: number;
  /** Undefined where the last collection has not seen it. */
  #value: number | undefined;

  constructor(attributes: SeriesAttributes, startMs: number) {
    this.#attributes = attributes;
    this.#startMs = startMs;
  }

  set(value: number): void {
    this.#value = Number.isFinite(value) ? value : undefined;
  }

  forget(): void {
    this.#value = undefined;
  }

  /** Undefined where there is no value. */
  point(): NumberPoint | undefined {
    const value = this.#value;
    return value === undefined ? undefined : { attributes: this.#attributes, startMs: this.#startMs, value };
  }
}

/**
 * Upper ends of the buckets of `http.server.request.duration` and `http.client.request.duration`, seconds, as OpenTelemetry's
 * convention for HTTP metrics recommends them.
 */
export const HTTP_DURATION_BOUNDS_S: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

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
  /** Those that have a series. */
  readonly metrics: readonly Metric[];
}
