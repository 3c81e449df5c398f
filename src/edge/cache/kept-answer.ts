/**
 * An answer as it stands in the platform's cache. That cache stores only what has a plain lifetime, and leaves out
 * what it does not like without a word; so an entry's own Cache-Control is that of its whole life, and what was said
 * to clients, and when it was made, stand in fields beside it.
 */

import { readCacheControl, secondsOf } from "../../middleware/response-cache/cache-control.ts";
import { type CacheWindows, lifetimeMs } from "../../middleware/response-cache/freshness.ts";

export interface KeptAnswer {
  readonly response: Response;
  /** When it was made, at the earliest, epoch milliseconds: its age counts from there. */
  readonly generatedAtMs: number;
  /** It is not older than this for sure: what writes have made old is found by it. */
  readonly madeAfterMs: number;
  readonly windows: CacheWindows;
}

const TIMES = "breakwater-kept-times";
const CACHE_CONTROL = "breakwater-kept-cache-control";
/** Fields that belong to one answer alone, or to the platform's own cache. */
const NOT_KEPT = ["x-request-id", "age", "set-cookie", "cf-cache-status", TIMES, CACHE_CONTROL];

const S = 1_000;

/** What an origin lets caches that many share do with its answer (RFC 9111 §5.2.2); undefined where that is nothing. */
const sharedWindows = (cacheControl: string | null): CacheWindows | undefined => {
  const directives = readCacheControl(cacheControl);
  const freshS = secondsOf(directives, "max-age");
  const isForbidden = ["private", "no-store", "no-cache"].some((name) => directives.has(name));
  if (freshS === undefined || isForbidden || !directives.has("public")) return undefined;
  return {
    freshMs: freshS * S,
    staleWhileRevalidateMs: (secondsOf(directives, "stale-while-revalidate") ?? 0) * S,
    staleIfErrorMs: (secondsOf(directives, "stale-if-error") ?? 0) * S,
  };
};

export interface ToKeep {
  /** Reads the answer's body. */
  readonly entry: () => Response;
  readonly madeAfterMs: number;
}

/**
 * @param requested when the answer was asked for, and how old it might be at most, seconds
 * @returns the answer as it is to be kept; undefined for one that may not be kept
 */
export const toKept = (
  answer: Response,
  {
    atMs,
    maxAgeS = Number.POSITIVE_INFINITY,
  }: { readonly atMs: number; readonly maxAgeS?: number | undefined },
  nowMs: number,
): ToKeep | undefined => {
  const windows = sharedWindows(answer.headers.get("cache-control"));
  if (answer.status !== 200 || windows === undefined) return undefined;
  if (answer.headers.has("set-cookie") || answer.headers.has("vary")) return undefined;
  // Its age when it was asked for, at most (RFC 9111 §4.2.3).
  const generatedAtMs = atMs - Number(answer.headers.get("age") ?? 0) * S;
  // The origin counts in milliseconds, and tells whole seconds, rounded up.
  const madeAfterMs = Math.max(generatedAtMs, atMs - maxAgeS * S + 1);
  const restS = Math.floor((generatedAtMs + lifetimeMs(windows) - nowMs) / S);
  if (!(restS > 0)) return undefined;
  const entry = (): Response => {
    const headers = new Headers(answer.headers);
    for (const name of NOT_KEPT) headers.delete(name);
    headers.set(CACHE_CONTROL, answer.headers.get("cache-control") ?? "");
    headers.set(TIMES, `${generatedAtMs} ${madeAfterMs}`);
    headers.set("cache-control", `public, max-age=${restS}`);
    return new Response(answer.clone().body, { status: 200, headers });
  };
  return { entry, madeAfterMs };
};

/** Undefined for what is no entry of ours. */
export const fromKept = (response: Response): KeptAnswer | undefined => {
  const windows = sharedWindows(response.headers.get(CACHE_CONTROL));
  const [generatedAtMs, madeAfterMs] = (response.headers.get(TIMES) ?? "").split(" ").map(Number);
  if (windows === undefined || !generatedAtMs || !madeAfterMs) return undefined;
  return { response, generatedAtMs, madeAfterMs, windows };
};

/** The fields for a client to whom the entry is sent. */
export const clientHeaders = ({ response }: KeptAnswer): Headers => {
  const headers = new Headers(response.headers);
  const cacheControl = headers.get(CACHE_CONTROL) ?? "no-store";
  for (const name of NOT_KEPT) headers.delete(name);
  headers.set("cache-control", cacheControl);
  return headers;
};
