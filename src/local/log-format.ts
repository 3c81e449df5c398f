/** Times and durations as people read them. */

/** The local time of day, as `HH:MM:SS.mmm`. */
export const clockTime = (time: Date): string => {
  const two = (value: number): string => String(value).padStart(2, "0");
  const milliseconds = String(time.getMilliseconds()).padStart(3, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${milliseconds}`;
};

/** Microseconds below a millisecond, seconds from ten seconds on. */
export const durationText = (ms: number): string => {
  if (ms > 0 && ms < 0.9995) return `${Math.round(ms * 1_000)} µs`;
  if (ms < 99.95) return `${ms.toFixed(1)} ms`;
  return ms < 9_999.5 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
};
