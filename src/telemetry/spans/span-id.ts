/** The two digits of each byte: a number's own `toString(16)` takes five times as long. */
const BYTES: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const BYTES_OF_HALF = [24, 16, 8, 0] as const;

const half = (random: () => number): string => {
  const bits = random() * 2 ** 32;
  let digits = "";
  for (const shift of BYTES_OF_HALF) digits += BYTES[(bits >>> shift) & 0xff];
  return digits;
};

/**
 * 16 hexadecimal digits, never all zero, which would be none (W3C Trace Context §3.2.2.4).
 *
 * @param random within [0, 1)
 */
export const newSpanId = (random: () => number): string => {
  const id = half(random) + half(random);
  return id === "0000000000000000" ? "0000000000000001" : id;
};
