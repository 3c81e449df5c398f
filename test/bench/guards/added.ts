/** What one cell adds to another: the difference within each round, the median of the rounds, and how far it can be trusted. */
import { median } from "../support/statistics.ts";

/** A cell's value in a round. */
export interface Sample {
  readonly round: number;
  readonly cell: string;
  readonly us: number;
}

/** Microseconds. */
export interface Added {
  readonly us: number;
  /** The interval that contains the true median with a probability of 95 % or more. */
  readonly lowest: number;
  readonly highest: number;
}

/** Normal approximation of the binomial distribution; with few rounds, the whole range. */
const HALF_WIDTH = 0.98;

/**
 * The median's interval by ranks, which assumes nothing of the distribution (H. A. David and H. N. Nagaraja, "Order
 * Statistics", 2003, §7.1).
 *
 * @throws RangeError without values
 */
export const medianWithInterval = (values: readonly number[]): Added => {
  const sorted = [...values].sort((one, other) => one - other);
  const us = median(sorted);
  const below = Math.max(0, Math.floor(sorted.length / 2 - HALF_WIDTH * Math.sqrt(sorted.length)) - 1);
  return { us, lowest: sorted[below] ?? us, highest: sorted[sorted.length - 1 - below] ?? us };
};

/** Of the rounds in which both cells were measured; undefined if there is none. */
export const addedBy = (
  samples: readonly Sample[],
  { cell, base }: { readonly cell: string; readonly base: string },
): Added | undefined => {
  const byRound = (id: string) =>
    new Map(samples.flatMap(({ round, cell: of, us }) => (of === id ? [[round, us] as const] : [])));
  const bases = byRound(base);
  const differences = [...byRound(cell)].flatMap(([round, us]) => {
    const baseUs = bases.get(round);
    return baseUs === undefined ? [] : [us - baseUs];
  });
  return differences.length === 0 ? undefined : medianWithInterval(differences);
};

const upwards = (value: number, digits: number): string => {
  const unit = 10 ** digits;
  return (Math.max(1, Math.ceil(value * unit)) / unit).toFixed(digits);
};

/**
 * "12 (11 – 13)", with one decimal where the interval is narrower than a microsecond. "< 3" if the interval contains zero: the
 * figure is then within the noise, and 3 the most that it can be.
 */
export const addedText = (added: Added | undefined): string => {
  if (added === undefined) return "–";
  const { us, lowest, highest } = added;
  const digits = highest - lowest < 1 ? 1 : 0;
  if (lowest <= 0 && highest >= 0) return `< ${upwards(highest, digits)}`;
  const [middle, from, to] = [us, lowest, highest].map((each) => each.toFixed(digits));
  return `${middle} (${from} – ${to})`;
};
