const HALF = 2 ** 32;
const HALF_DIGITS = 8;

const half = (random: () => number): string =>
  Math.floor(random() * HALF)
    .toString(16)
    .padStart(HALF_DIGITS, "0");

/**
 * 16 hexadecimal digits, never all zero, which would be none (W3C Trace Context §3.2.2.4).
 *
 * @param random within [0, 1)
 */
export const newSpanId = (random: () => number): string => {
  const id = half(random) + half(random);
  return /[1-9a-f]/.test(id) ? id : "0000000000000001";
};
