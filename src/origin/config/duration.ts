/** Durations as people write them: `500ms`, `10s`, `1m30s`, `2h`, `1d`. */

/** From the longest to the shortest, in milliseconds. */
const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
] as const;

const PATTERN = new RegExp(`^${UNITS.map(([unit]) => `(?:(\\d+(?:\\.\\d+)?)${unit})?`).join("")}$`);
const MAX_LENGTH = 64;

/**
 * Parses units from long to short, each at most once, with or without a fraction.
 *
 * @returns whole milliseconds, or undefined for anything else; a number needs its unit, but for 0
 */
export const parseDuration = (text: string): number | undefined => {
  if (text === "0") return 0;
  const amounts = text !== "" && text.length <= MAX_LENGTH ? PATTERN.exec(text)?.slice(1) : undefined;
  if (amounts === undefined) return undefined;
  return Math.round(UNITS.reduce((sum, [, ms], index) => sum + Number(amounts[index] ?? 0) * ms, 0));
};

/** Writes whole milliseconds so that `parseDuration` reads them back. */
export const formatDuration = (milliseconds: number): string => {
  let rest = milliseconds;
  let text = "";
  for (const [unit, ms] of UNITS) {
    const amount = Math.floor(rest / ms);
    rest -= amount * ms;
    if (amount > 0) text += `${amount}${unit}`;
  }
  return text || "0s";
};
