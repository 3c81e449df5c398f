/** For how long an answer may be used (RFC 9111 §4.2, RFC 5861), and for what. */
import type { Cache } from "../../contract/policy.ts";

/** Milliseconds. Both stale windows begin when the answer is no longer fresh. */
export interface CacheWindows {
  readonly freshMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

export type Usability =
  /** It may be used as it is. */
  | "fresh"
  /** It may be used once more while a newer one is fetched. */
  | "revalidate"
  /** It may be used only where a newer one cannot be had. */
  | "on_error"
  /** It may not be used any more. */
  | "gone";

const S = 1_000;

/** @param defaultFreshS for a policy that names no freshness, seconds */
export const windowsOf = (
  { freshS, staleWhileRevalidateS = 0, staleIfErrorS = 0 }: Cache,
  defaultFreshS: number,
): CacheWindows => ({
  freshMs: (freshS ?? defaultFreshS) * S,
  staleWhileRevalidateMs: staleWhileRevalidateS * S,
  staleIfErrorMs: staleIfErrorS * S,
});

export const usabilityOf = (ageMs: number, windows: CacheWindows): Usability => {
  const staleMs = ageMs - windows.freshMs;
  if (staleMs < 0) return "fresh";
  if (staleMs < windows.staleWhileRevalidateMs) return "revalidate";
  return staleMs < windows.staleIfErrorMs ? "on_error" : "gone";
};

/** From its generation until it is gone, milliseconds. */
export const lifetimeMs = ({ freshMs, staleWhileRevalidateMs, staleIfErrorMs }: CacheWindows): number =>
  freshMs + Math.max(staleWhileRevalidateMs, staleIfErrorMs);

/** By so much at most an answer is taken for stale before its time. */
const JITTER = 0.1;

/**
 * The same with a freshness that is shorter by chance, so that answers that were made together do not all have to
 * be made anew together. It is never longer than the policy says, and ends when it said.
 *
 * @param random within [0, 1)
 */
export const jittered = (windows: CacheWindows, random: number): CacheWindows => {
  const earlierMs = windows.freshMs * JITTER * random;
  return {
    freshMs: windows.freshMs - earlierMs,
    staleWhileRevalidateMs:
      windows.staleWhileRevalidateMs === 0 ? 0 : windows.staleWhileRevalidateMs + earlierMs,
    staleIfErrorMs: windows.staleIfErrorMs === 0 ? 0 : windows.staleIfErrorMs + earlierMs,
  };
};
