/** Times of OTLP: epoch nanoseconds, as text, as they are beyond what a number can hold. */

const NS_PER_MS = 1_000_000;
/** The last millisecond that 64 bits of nanoseconds can tell, less one. */
const LATEST_MS = 18_446_744_073_708;

/**
 * Exact: the whole milliseconds are written down, never multiplied; a fraction is rounded to the nanosecond.
 *
 * @param ms epoch milliseconds
 * @returns "0", which to OTLP is an unknown time, where it is no time of the epoch
 */
export const nanoseconds = (ms: number): string => {
  if (!(ms >= 0 && ms <= LATEST_MS)) return "0";
  let whole = Math.floor(ms);
  let rest = Math.round((ms - whole) * NS_PER_MS);
  if (rest === NS_PER_MS) {
    whole += 1;
    rest = 0;
  }
  return whole === 0 ? String(rest) : `${whole}${String(rest).padStart(6, "0")}`;
};
