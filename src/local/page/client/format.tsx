/** Texts of one width, so that nothing moves while numbers change. */
import type { NodeName } from "../state.ts";

/** As wide as a digit. */
const FIGURE_SPACE = "\u2007";

export const pad = (text: string | number, width: number): string =>
  String(text).padStart(width, FIGURE_SPACE);

/** Three or four digits. */
export const compact = (value: number): string => {
  if (value >= 9_999.5) return `${Math.round(value / 1_000)}k`;
  return value >= 99.95 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
};

/** Per second. */
export const rate = (value: number): string => `${pad(value > 0 ? compact(value) : "0", 4)}/s`;
/** @param ms null is unknown */
export const millis = (ms: number | null, width = 4): string => pad(ms === null ? "–" : compact(ms), width);
export const percent = (share: number): string => `${pad(Math.round(share * 100), 3)} %`;
export const seconds = (ms: number): string => `${(Math.max(0, ms) / 1_000).toFixed(1)} s`;
/** Of the day, to the second. */
export const timeOf = (ms: number): string => new Date(ms).toTimeString().slice(0, 8);
/** A total. */
export const total = (value: number): string => pad(compact(value), 5);

const TITLES: Readonly<Record<string, string>> = {
  postgres: "PostgreSQL",
  siem: "SIEM",
};
export const titleOf = (name: NodeName): string =>
  TITLES[name] ?? `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
