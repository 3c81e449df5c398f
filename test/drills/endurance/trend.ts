/** Whether a series grows: the slope of Theil and Sen, which outliers hardly move, and its interval of confidence. */
import { median } from "../../bench/support/statistics.ts";

export interface Point {
  readonly minute: number;
  readonly value: number;
}

export interface Trend {
  readonly first: number;
  readonly last: number;
  /** Per minute. */
  readonly slope: number;
  /** The bounds of the slope with 95 % confidence, per minute. */
  readonly low: number;
  readonly high: number;
  /** The slope as a share of the first value, percent per hour. */
  readonly percentPerHour: number;
}

const Z_95 = 1.96;
/** Points of both ends whose median is the first and the last value. */
const END_POINTS = 5;
const MIN_POINTS = 8;

/** Growth below this share of the first value in ten minutes is flat. */
const FLAT_SHARE = 0.01;
const FLAT_MINUTES = 10;

/**
 * Growth of a number of connections in ten minutes that is flat, too: pools open some for a rare burst and keep them, up to their
 * maximum. At 75 requests/s it is one connection in 15,000 requests.
 */
export const FLAT_CONNECTIONS = 3;

/**
 * P. K. Sen, Estimates of the Regression Coefficient Based on Kendall's Tau, 1968: the median of the slopes of all pairs, and
 * as bounds those slopes whose ranks differ from the middle by the normal quantile of Kendall's statistic.
 *
 * @throws RangeError with fewer than eight points
 */
export const trendOf = (points: readonly Point[]): Trend => {
  if (points.length < MIN_POINTS) throw new RangeError(`no trend of ${points.length} points`);
  const slopes: number[] = [];
  for (const [index, one] of points.entries())
    for (const other of points.slice(index + 1))
      if (other.minute !== one.minute) slopes.push((other.value - one.value) / (other.minute - one.minute));
  slopes.sort((one, other) => one - other);
  const n = points.length;
  const spread = Z_95 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const at = (rank: number): number =>
    slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(rank)))] ?? Number.NaN;
  const valueAt = (end: readonly Point[]): number => median(end.map(({ value }) => value));
  const first = valueAt(points.slice(0, END_POINTS));
  const slope = median(slopes);
  return {
    first,
    last: valueAt(points.slice(-END_POINTS)),
    slope,
    low: at((slopes.length - spread) / 2 - 1),
    high: at((slopes.length + spread) / 2),
    percentPerHour: first === 0 ? 0 : (100 * 60 * slope) / first,
  };
};

/**
 * Flat: no growth with 95 % confidence (the lower bound is not above 0), or less than 1 % of the first value in ten minutes.
 * A series that falls is flat.
 *
 * @param allowed growth in ten minutes that is flat, whatever the first value
 */
export const isFlat = ({ first, slope, low }: Trend, allowed = 0): boolean =>
  low <= 0 || slope * FLAT_MINUTES < Math.max(allowed, FLAT_SHARE * first);
