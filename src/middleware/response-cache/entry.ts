/** Entries of the cache, and which responses may be stored (RFC 9111 §3). */

import { durationMs } from "../../contract/duration.ts";
import type { Cache } from "../../contract/policy.ts";
import { isProblem, type Problem, statusOf } from "../../contract/problem.ts";

/** A finished response as text, from which any number of requests can be answered. Field names are in lower case. */
export interface TextResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/**
 * The response of a fill. Only the edge may return a `Response`, with mutable headers: its stream can be read once, and the
 * edge shares no fill.
 */
export type FinishedResponse = Response | TextResponse;
export type FillResult = FinishedResponse | Problem;

/** When a response was made, and which state of the data it reflects. */
export interface Generation {
  /** Epoch milliseconds; its age counts from here. */
  readonly generatedAtMs: number;
  /** The response reflects every write that this process or isolate knew of by then, see `invalidations.ts`. */
  readonly asOfMs: number;
  readonly tags: readonly string[];
}

export interface Entry extends Generation {
  /** A problem makes it a negative entry. */
  readonly response: StoredResponse | Problem;
  readonly windows: CacheWindows;
}

/** A finished 200. A stream can be read once: an entry with one is used for one request. */
export interface StoredResponse {
  readonly status: 200;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | ReadableStream | null;
}

export interface EntryOptions extends Omit<Generation, "generatedAtMs"> {
  /** When the fill began, epoch milliseconds. */
  readonly atMs: number;
  /** The maximum age that the fill asked for, seconds. @default unlimited */
  readonly maxAgeS?: number | undefined;
  /** How long a 404 is stored, milliseconds; 0 if it is not. */
  readonly negativeMs: number;
  /** Within [0, 1): shortens the freshness, so that entries of the same time are not all refreshed together. */
  readonly random: number;
}

/** Fields of one client's response, or of another cache. */
const NOT_STORED: readonly string[] = ["x-request-id", "age", "cf-cache-status"];
const UNSTORABLE: readonly string[] = ["set-cookie", "vary", "www-authenticate"];
/** The greatest share of the freshness that chance takes. */
const JITTER = 0.1;
/** A longer text is not stored, UTF-16 units. */
const MAX_LENGTH = 512 * 1024;
/** RFC 9111 §1.2.2 */
const SECONDS = /^\d{1,10}$/;
const S = 1_000;

/** @returns the entry of a fill's result, with the result's own body; undefined if it may not be stored */
export const entryOf = (
  result: FillResult,
  { atMs, asOfMs, maxAgeS = Number.POSITIVE_INFINITY, tags, negativeMs, random }: EntryOptions,
): Entry | undefined => {
  if (isProblem(result)) {
    if (result.code !== "not_found" || negativeMs === 0) return undefined;
    const windows = { freshMs: negativeMs, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };
    return { response: result, generatedAtMs: atMs, asOfMs, windows, tags };
  }
  const { status, body } = result;
  const fields = result.headers instanceof Headers ? Object.fromEntries(result.headers) : result.headers;
  const { age = "0", "cache-control": cacheControl, "cache-status": cacheStatus = "" } = fields;
  const windows = sharedWindows(cacheControl);
  if (status !== 200 || windows === undefined || UNSTORABLE.some((name) => name in fields)) return undefined;
  // Another cache's last resort may predate a write, and its age does not show that.
  if (cacheStatus.includes("stale-if-error")) return undefined;
  if (typeof body === "string" && body.length > MAX_LENGTH) return undefined;
  // The age when it was requested, at most (RFC 9111 §4.2.3). A negative one would make the entry newer than its fill.
  const ageMs = (SECONDS.test(age) ? Number(age) : Number.NaN) * S;
  if (!(lifetimeMs(windows) - ageMs >= S)) return undefined;
  const headers = Object.fromEntries(Object.entries(fields).filter(([name]) => !NOT_STORED.includes(name)));
  return {
    response: { status, headers, body },
    generatedAtMs: atMs - ageMs,
    // The other cache compares ages in milliseconds, and reports them in seconds, rounded up.
    asOfMs: asOfMs - Math.min(ageMs, Math.max(0, maxAgeS * S - 1)),
    windows: { ...windows, freshMs: windows.freshMs * (1 - JITTER * random) },
    tags,
  };
};

/** The status with which the result is sent. */
export const resultStatus = (result: FillResult): number =>
  isProblem(result) ? statusOf(result) : result.status;

/** Whether another try may succeed: a client's error stays one. */
export const isFailure = (result: FillResult): boolean => resultStatus(result) >= 500;

/** Releases the connection of a body that will not be read; undefined if the body holds none. */
export const cancelBody = (response: FillResult | StoredResponse | undefined): Promise<void> | undefined =>
  response !== undefined && "body" in response && response.body instanceof ReadableStream
    ? response.body.cancel()
    : undefined;

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

const DIRECTIVE = /([a-z-]+)(?:\s*=\s*"?(\d{1,10})"?)?/g;

/**
 * Reads a Cache-Control field. The first of repeated directives counts.
 *
 * @returns directives by lower-case name, with their seconds; undefined for a directive without whole seconds
 */
export const readCacheControl = (field: string): ReadonlyMap<string, number | undefined> => {
  const directives = new Map<string, number | undefined>();
  for (const [, name = "", seconds] of field.toLowerCase().matchAll(DIRECTIVE))
    if (!directives.has(name)) directives.set(name, seconds === undefined ? undefined : Number(seconds));
  return directives;
};

/** @param defaultFreshS for a policy without a freshness, seconds */
export const windowsOf = (
  { fresh, staleWhileRevalidate = "0s", staleIfError = "0s" }: Cache,
  defaultFreshS: number,
): CacheWindows => ({
  freshMs: fresh === undefined ? defaultFreshS * S : durationMs(fresh),
  staleWhileRevalidateMs: durationMs(staleWhileRevalidate),
  staleIfErrorMs: durationMs(staleIfError),
});

/** The windows that a Cache-Control field grants to shared caches; undefined if it grants none. */
export const sharedWindows = (cacheControl: string | undefined): CacheWindows | undefined => {
  const directives = readCacheControl(cacheControl ?? "");
  const freshS = directives.get("max-age");
  const isForbidden = ["private", "no-store", "no-cache"].some((name) => directives.has(name));
  if (freshS === undefined || isForbidden || !directives.has("public")) return undefined;
  return {
    freshMs: freshS * S,
    staleWhileRevalidateMs: (directives.get("stale-while-revalidate") ?? 0) * S,
    staleIfErrorMs: (directives.get("stale-if-error") ?? 0) * S,
  };
};

export const freshnessOf = (ageMs: number, windows: CacheWindows): Freshness => {
  const staleMs = ageMs - windows.freshMs;
  if (staleMs < 0) return "fresh";
  if (staleMs < windows.staleWhileRevalidateMs) return "revalidate";
  return staleMs < windows.staleIfErrorMs ? "on_error" : "expired";
};

/** Whether a response may be used if no newer one can be made, even if a write has invalidated it. */
export const isLastResort = (ageMs: number, { freshMs, staleIfErrorMs }: CacheWindows): boolean =>
  staleIfErrorMs > 0 && ageMs < freshMs + staleIfErrorMs;

/** From generation to expiry, milliseconds. */
export const lifetimeMs = ({ freshMs, staleWhileRevalidateMs, staleIfErrorMs }: CacheWindows): number =>
  freshMs + Math.max(staleWhileRevalidateMs, staleIfErrorMs);
