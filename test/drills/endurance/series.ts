/** The growth of everything that a soak samples, as a table. */
import { textTable } from "../../bench/support/table.ts";
import type { Sample } from "./sampler.ts";
import { FLAT_CONNECTIONS, isFlat, type Point, type Trend, trendOf } from "./trend.ts";

export interface Growth extends Trend {
  /** Such as `origin 1 RSS`. */
  readonly name: string;
  /** Such as `KiB`. */
  readonly unit: string;
  readonly isFlat: boolean;
}

interface Series {
  readonly name: string;
  readonly unit: string;
  readonly read: (sample: Sample) => number | undefined;
}

const seriesOf = (origins: number): Series[] => [
  { name: "workerd RSS", unit: "KiB", read: ({ edge }) => edge.rssKib },
  { name: "workerd descriptors", unit: "", read: ({ edge }) => edge.descriptors },
  ...Array.from({ length: origins }, (_, index): Series[] => [
    { name: `origin ${index + 1} RSS`, unit: "KiB", read: (sample) => sample.origins[index]?.rssKib },
    {
      name: `origin ${index + 1} heap after GC`,
      unit: "KiB",
      read: (sample) => sample.origins[index]?.heapKib,
    },
    {
      name: `origin ${index + 1} descriptors`,
      unit: "",
      read: (sample) => sample.origins[index]?.descriptors,
    },
    { name: `origin ${index + 1} handles`, unit: "", read: (sample) => sample.origins[index]?.handles },
  ]).flat(),
];

/**
 * Over the last two thirds of the time.
 *
 * @throws RangeError with too few samples: a soak takes at least some minutes
 */
export const growthOf = (samples: readonly Sample[]): Growth[] => {
  const fromMinute = (samples.at(-1)?.minute ?? 0) / 3;
  return seriesOf(samples.at(0)?.origins.length ?? 0).map(({ name, unit, read }) => {
    const points = samples.flatMap((sample): Point[] => {
      const value = read(sample);
      return value === undefined || sample.minute < fromMinute ? [] : [{ minute: sample.minute, value }];
    });
    const trend = trendOf(points);
    return { name, unit, ...trend, isFlat: isFlat(trend, unit === "" ? FLAT_CONNECTIONS : 0) };
  });
};

const HEADER = ["", "first", "last", "per minute", "95 % interval", "% per hour", ""];

export const trendTable = (series: readonly Growth[]): string =>
  textTable(
    HEADER,
    series.map(({ name, unit, first, last, slope, low, high, percentPerHour, isFlat: flat }) => [
      unit === "" ? name : `${name}, ${unit}`,
      first.toFixed(0),
      last.toFixed(0),
      slope.toFixed(2),
      `${low.toFixed(2)} to ${high.toFixed(2)}`,
      percentPerHour.toFixed(2),
      flat ? "flat" : "GROWS",
    ]),
  );
