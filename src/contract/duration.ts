/** Durations as text, in the contract as in the configuration. */

const UNITS_MS: Readonly<Record<string, number>> = {
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
};

/** Such as `500ms`, `15s`, `5m`, `2h` or `1d`. */
export type Duration = `${number}${"ms" | "s" | "m" | "h" | "d"}`;

/** @returns whole milliseconds of `500ms`, `1.5s`, `1m30s` or `1d`, or undefined; only 0 needs no unit */
export const parseDuration = (text: string): number | undefined => {
  if (text === "0") return 0;
  if (!/^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|[smhd]))+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/([\d.]+)([a-z]+)/g)];
  return Math.round(
    parts.reduce((sum, [, amount, unit = ""]) => sum + Number(amount) * (UNITS_MS[unit] ?? 0), 0),
  );
};

/** Whole milliseconds of a checked duration. @throws RangeError for `NaNs`, `-1s` and the like */
export const durationMs = (text: Duration): number => {
  const ms = parseDuration(text);
  if (ms === undefined) throw new RangeError(`${text} must be a duration such as 500ms, 15s or 5m`);
  return ms;
};
