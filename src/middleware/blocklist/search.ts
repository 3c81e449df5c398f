/** Binary searches over sorted starts: ⌈log₂(n + 1)⌉ looks among n. */

/**
 * The index of the last IPv4 start that is at most the address, or -1.
 *
 * @param starts an entry's in one word each
 */
export const lastIpv4Start = (starts: ArrayLike<number>, address: number): number => {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? 0) <= address) low = middle + 1;
    else high = middle;
  }
  return low - 1;
};

const isAtMost = (
  starts: ArrayLike<number>,
  at: number,
  a: number,
  b: number,
  c: number,
  d: number,
): boolean => {
  const first = starts[at] ?? 0;
  if (first !== a) return first < a;
  const second = starts[at + 1] ?? 0;
  if (second !== b) return second < b;
  const third = starts[at + 2] ?? 0;
  if (third !== c) return third < c;
  return (starts[at + 3] ?? 0) <= d;
};

/**
 * The same of IPv6, whose address is four words.
 *
 * @param starts an entry's in four words each
 */
export const lastIpv6Start = (
  starts: ArrayLike<number>,
  a: number,
  b: number,
  c: number,
  d: number,
): number => {
  let low = 0;
  let high = starts.length / 4;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAtMost(starts, 4 * middle, a, b, c, d)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
};
