/** How long a response may be used, and for what (RFC 9111 §4.2, §5.2; RFC 5861). */
import type { Cache } from "../../contract/policy.ts";

/** Milliseconds. Both stale windows begin when the response is no longer fresh. */
export interface CacheWindows {
  readonly freshMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

export type Freshness =
  | "fresh"
  /** Usable while a newer response is made. */
  | "revalidate"
  /** Usable only if no newer response can be made soon. */
  | "on_error"
  | "expired";

/** Directives by lower-case name; one without an argument is true, seconds are numbers. */
export type CacheDirectives = ReadonlyMap<string, number | true>;

const S = 1_000;
const DIRECTIVE = /([a-z-]+)(?:\s*=\s*"?(\d{1,10})"?)?/g;
/** The greatest share of the freshness that jitter takes. */
const JITTER = 0.1;

/** Reads a Cache-Control field. Arguments other than whole seconds are ignored; of a repeated directive, the first counts. */
export const readCacheControl = (field: string | undefined): CacheDirectives => {
  const directives = new Map<string, number | true>();
  for (const [, name = "", seconds] of (field ?? "").toLowerCase().matchAll(DIRECTIVE)) {
    if (!directives.has(name)) directives.set(name, seconds === undefined ? true : Number(seconds));
  }
  return directives;
};

/** The seconds of a directive; undefined if it is absent or has none. */
export const secondsOf = (directives: CacheDirectives, name: string): number | undefined => {
  const value = directives.get(name);
  return typeof value === "number" ? value : undefined;
};

/** @param defaultFreshS for a policy without a freshness, seconds */
export const windowsOf = (
  { freshS, staleWhileRevalidateS = 0, staleIfErrorS = 0 }: Cache,
  defaultFreshS: number,
): CacheWindows => ({
  freshMs: (freshS ?? defaultFreshS) * S,
  staleWhileRevalidateMs: staleWhileRevalidateS * S,
  staleIfErrorMs: staleIfErrorS * S,
});

/** The windows that a Cache-Control field grants to shared caches; undefined if it grants none. */
export const sharedWindows = (cacheControl: string | undefined): CacheWindows | undefined => {
  const directives = readCacheControl(cacheControl);
  const freshS = secondsOf(directives, "max-age");
  const isForbidden = ["private", "no-store", "no-cache"].some((name) => directives.has(name));
  if (freshS === undefined || isForbidden || !directives.has("public")) return undefined;
  const staleWhileRevalidateS = secondsOf(directives, "stale-while-revalidate") ?? 0;
  const staleIfErrorS = secondsOf(directives, "stale-if-error") ?? 0;
  return windowsOf({ freshS, staleWhileRevalidateS, staleIfErrorS }, 0);
};

export const freshnessOf = (ageMs: number, windows: CacheWindows): Freshness => {
  const staleMs = ageMs - windows.freshMs;
  if (staleMs < 0) return "fresh";
  if (staleMs < windows.staleWhileRevalidateMs) return "revalidate";
  return staleMs < windows.staleIfErrorMs ? "on_error" : "expired";
};

/** Whether a response may be used if no newer one can be made, whatever else is wrong with it. */
export const isLastResort = (ageMs: number, { freshMs, staleIfErrorMs }: CacheWindows): boolean =>
  staleIfErrorMs > 0 && ageMs < freshMs + staleIfErrorMs;

/** From generation to expiry, milliseconds. */
export const lifetimeMs = ({ freshMs, staleWhileRevalidateMs, staleIfErrorMs }: CacheWindows): number =>
  freshMs + Math.max(staleWhileRevalidateMs, staleIfErrorMs);

/**
 * Shortens the freshness by chance, so that responses that were made together are not all refreshed together. The stale
 * windows end when they did.
 *
 * @param random within [0, 1)
 */
export const jittered = (windows: CacheWindows, random: number): CacheWindows => {
  const earlierMs = windows.freshMs * JITTER * random;
  const extended = (staleMs: number): number => (staleMs === 0 ? 0 : staleMs + earlierMs);
  return {
    freshMs: windows.freshMs - earlierMs,
    staleWhileRevalidateMs: extended(windows.staleWhileRevalidateMs),
    staleIfErrorMs: extended(windows.staleIfErrorMs),
  };
};
