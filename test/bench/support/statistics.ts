/** Order statistics of small and large samples. */

const ascending = (values: Iterable<number>): Float64Array => Float64Array.from(values).sort();

/**
 * The smallest value that at least `percent` per cent of the values do not exceed (nearest rank).
 *
 * @param percent above 0, at most 100
 * @throws RangeError without values
 */
export const percentile = (values: Iterable<number>, percent: number): number => {
  const sorted = ascending(values);
  const value = sorted[Math.ceil((percent / 100) * sorted.length) - 1];
  if (value === undefined) throw new RangeError(`no ${percent}th percentile of ${sorted.length} values`);
  return value;
};

/**
 * The middle value; of an even number of values, the mean of the two in the middle.
 *
 * @throws RangeError without values
 */
export const median = (values: Iterable<number>): number => {
  const sorted = ascending(values);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError("no median of no values");
  return (lower + upper) / 2;
};
