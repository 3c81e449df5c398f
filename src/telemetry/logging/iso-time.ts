/** Times as ISO 8601 in UTC: within a second only the milliseconds are written anew. */

/** The last millisecond that a Date can tell (ECMA-262, "Time Values and Time Range"). */
const LATEST_MS = 8.64e15;

/**
 * @returns a writer that takes epoch milliseconds; what is no time of the epoch is written as its beginning
 */
export const createIsoTime = (): ((ms: number) => string) => {
  let second = Number.NaN;
  let head = "";
  return (ms) => {
    const whole = ms >= 0 && ms <= LATEST_MS ? Math.floor(ms) : 0;
    const its = Math.floor(whole / 1000);
    if (its !== second) {
      second = its;
      head = new Date(its * 1000).toISOString().slice(0, -4);
    }
    const rest = whole - its * 1000;
    return `${head}${rest < 10 ? "00" : rest < 100 ? "0" : ""}${rest}Z`;
  };
};
