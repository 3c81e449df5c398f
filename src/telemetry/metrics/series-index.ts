/**
 * The series of an instrument, by their labels' values. A map of maps, one level a label: two series cannot meet
 * whatever the values hold, as they could in a text that joins them, and to find one makes nothing.
 */
import type { LabelValue, SeriesAttributes } from "./instruments.ts";

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
