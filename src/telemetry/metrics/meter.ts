/**
 * Counters, histograms and gauges of one process or isolate, so cheap that they stay on. A series is found once by its
 * labels' values and kept by whoever counts: then an increment is an addition. Cumulative: what was not sent is in the
 * next snapshot, and nothing is lost by a failed export.
 *
 * There are at most so many series, whatever labels are made of. What finds no room is counted in one more series of
 * its instrument, which has the attribute `otel.metric.overflow` and no label: its totals stay right (OpenTelemetry
 * metrics SDK, "Cardinality limits").
 */
import {
  CounterSeries,
  GaugeSeries,
  HistogramSeries,
  type LabelValue,
  type Metric,
  type MetricsSnapshot,
  type SeriesAttributes,
} from "./instruments.ts";

export interface InstrumentOptions<Labels extends readonly string[]> {
  /** OpenTelemetry's form: `http.server.request.duration`. */
  readonly name: string;
  readonly description: string;
  /** UCUM. @default "1" */
  readonly unit?: string;
  /** The attributes' names: the only ones that its series have. */
  readonly labels: Labels;
}

export interface HistogramOptions<Labels extends readonly string[]> extends InstrumentOptions<Labels> {
  /** Upper ends of the buckets, rising, in the unit. */
  readonly bounds: readonly number[];
}

/** One for each label, in their order. */
export type LabelValues<Labels extends readonly string[]> = { [Index in keyof Labels]: LabelValue };

export interface Counter<Labels extends readonly string[]> {
  /** The same one for the same values; it is there, with 0, from now on. */
  series(...values: LabelValues<Labels>): { add(by: number): void };
}

export interface Histogram<Labels extends readonly string[]> {
  series(...values: LabelValues<Labels>): { record(value: number): void };
}

/** Takes a gauge's values, at a collection; what is no finite number is left out. */
export type Observe<Labels extends readonly string[]> = (
  value: number,
  ...values: LabelValues<Labels>
) => void;

export interface Meter {
  counter<const Labels extends readonly string[]>(options: InstrumentOptions<Labels>): Counter<Labels>;
  histogram<const Labels extends readonly string[]>(options: HistogramOptions<Labels>): Histogram<Labels>;
  /** @param read is called at every collection; a series of which it says nothing is not in that snapshot */
  gauge<const Labels extends readonly string[]>(
    options: InstrumentOptions<Labels>,
    read: (observe: Observe<Labels>) => void,
  ): void;
  collect(): MetricsSnapshot;
}

export interface MeterOptions {
  /** Epoch milliseconds. A Worker's clock stands at 0 until the first request: series are to begin after that. */
  readonly now: () => number;
  /** Of all instruments together; each may have its overflow besides. @default 2,000 */
  readonly maxSeries?: number;
}

const isThere = <T>(value: T | undefined): value is T => value !== undefined;

export const createMeter = ({ now, maxSeries = 2_000 }: MeterOptions): Meter => {
  const room: Room = { left: maxSeries };
  /** What each instrument says at a collection. */
  const readers: (() => Metric)[] = [];

  const headOf = ({ name, description, unit = "1" }: InstrumentOptions<readonly string[]>) => ({
    name,
    description,
    unit,
  });

  return {
    counter: (options) => {
      const index = createSeriesIndex(
        options.labels,
        room,
        (attributes) => new CounterSeries(attributes, now()),
      );
      const head = headOf(options);
      readers.push(() => ({ ...head, kind: "counter", points: index.all().map((each) => each.point()) }));
      return { series: (...values) => index.find(values) };
    },
    histogram: (options) => {
      const bounds = Object.freeze([...options.bounds]);
      const index = createSeriesIndex(
        options.labels,
        room,
        (attributes) => new HistogramSeries(attributes, now(), bounds),
      );
      const head = headOf(options);
      readers.push(() => ({
        ...head,
        kind: "histogram",
        bounds,
        points: index.all().map((each) => each.point()),
      }));
      return { series: (...values) => index.find(values) };
    },
    gauge: (options, read) => {
      const index = createSeriesIndex(
        options.labels,
        room,
        (attributes) => new GaugeSeries(attributes, now()),
      );
      const head = headOf(options);
      readers.push(() => {
        for (const each of index.all()) each.forget();
        read((value, ...values) => index.find(values).set(value));
        const points = index
          .all()
          .map((each) => each.point())
          .filter(isThere);
        return { ...head, kind: "gauge", points };
      });
    },
    collect: () => ({
      atMs: now(),
      metrics: readers.map((read) => read()).filter(({ points }) => points.length > 0),
    }),
  };
};

/** How many series a meter may still begin. */
export interface Room {
  left: number;
}

/** A longer value is none of a closed set: its series is the overflow. UTF-16 code units. */
const LONGEST_VALUE = 255;

/** The attribute of a series that holds what found no room (OpenTelemetry metrics SDK, "Overflow attribute"). */
const OVERFLOW: SeriesAttributes = Object.freeze({ "otel.metric.overflow": true });

interface Level<Series> {
  readonly levels: Map<string, Level<Series>>;
  series: Series | undefined;
}

export interface SeriesIndex<Series> {
  /** The one of these values, which begins where there is none yet; where it finds no room, the overflow's. */
  find(values: readonly LabelValue[]): Series;
  /** In the order in which they began. */
  all(): readonly Series[];
}

/** A number and its digits are the same value: Prometheus could not tell them apart. */
const textOf = (value: LabelValue): string =>
  typeof value === "string" ? value : value === undefined ? "" : String(value);

const attributesOf = (labels: readonly string[], values: readonly LabelValue[]): SeriesAttributes => {
  const attributes: Record<string, string | number> = {};
  for (const [index, label] of labels.entries()) {
    const value = values[index];
    if (value !== undefined && value !== "") attributes[label] = value;
  }
  return Object.freeze(attributes);
};

/** @param room is taken from; an overflow series takes none */
export const createSeriesIndex = <Series>(
  labels: readonly string[],
  room: Room,
  begin: (attributes: SeriesAttributes) => Series,
): SeriesIndex<Series> => {
  const root: Level<Series> = { levels: new Map(), series: undefined };
  const all: Series[] = [];
  let overflow: Series | undefined;

  const overflowing = (): Series => {
    if (overflow === undefined) {
      overflow = begin(OVERFLOW);
      all.push(overflow);
    }
    return overflow;
  };

  const beginAt = (values: readonly LabelValue[]): Series => {
    const texts = labels.map((_, index) => textOf(values[index]));
    if (room.left <= 0 || texts.some((text) => text.length > LONGEST_VALUE)) return overflowing();
    room.left -= 1;
    let level = root;
    for (const text of texts) {
      let next = level.levels.get(text);
      if (next === undefined) {
        next = { levels: new Map(), series: undefined };
        level.levels.set(text, next);
      }
      level = next;
    }
    const series = begin(attributesOf(labels, values));
    level.series = series;
    all.push(series);
    return series;
  };

  return {
    find: (values) => {
      let level: Level<Series> | undefined = root;
      for (let index = 0; index < labels.length && level !== undefined; index += 1) {
        level = level.levels.get(textOf(values[index]));
      }
      return level?.series ?? beginAt(values);
    },
    all: () => all,
  };
};
