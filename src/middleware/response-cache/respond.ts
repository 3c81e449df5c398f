/** Responses with the fields of this cache (RFC 9211), and 304 to a client that has the current version. */
import { noneMatchHolds } from "../../lib/http.ts";
import type { ContextVariables, VariableReader } from "../context/index.ts";
import { cancelBody, type FinishedResponse, type StoredResponse } from "./entry.ts";

/** The part of Hono's context that the cache uses in both tiers. */
export interface CacheContext
  extends VariableReader<Pick<ContextVariables, "requestId" | "target" | "waitUntil">> {
  readonly req: { readonly method: string; header(name: string): string | undefined };
  /** Unset if the cache was not used. */
  set(name: "cacheOutcome", outcome: CacheOutcome): void;
}

type Fields = Readonly<Record<string, string>>;

/** Releases the connection of a body that will not be read. */
export const discard = (c: CacheContext, response: Parameters<typeof cancelBody>[0]): void => {
  const canceling = cancelBody(response);
  if (canceling !== undefined) c.get("waitUntil")(canceling);
};

/** The fields of this cache, after those of the caches before it (RFC 9211 §2). */
export const cacheFields = (fields: Fields, cacheStatus: string, ageS: number | undefined): Fields => {
  const before = fields["cache-status"];
  const status = before === undefined ? cacheStatus : `${before}, ${cacheStatus}`;
  return ageS === undefined ? { "cache-status": status } : { "cache-status": status, age: String(ageS) };
};

const hasCurrent = (c: CacheContext, headers: Headers | Fields): boolean => {
  const condition = c.req.header("if-none-match");
  if (condition === undefined) return false;
  const tag = headers instanceof Headers ? headers.get("etag") : headers["etag"];
  return typeof tag === "string" && noneMatchHolds(condition, tag);
};

/** @param ageS of an entry, seconds @returns the response for this client */
export const respond = (
  c: CacheContext,
  response: FinishedResponse | StoredResponse,
  cacheStatus: string,
  ageS?: number,
): Response => {
  let headers: Headers | Fields;
  if (response instanceof Response) {
    ({ headers } = response);
    response.headers.append("cache-status", cacheStatus);
  } else {
    const own = cacheFields(response.headers, cacheStatus, ageS);
    headers = { ...response.headers, "x-request-id": c.get("requestId"), ...own };
  }
  const { status, body } = response;
  const isNotModified = status === 200 && hasCurrent(c, headers);
  if (!isNotModified && c.req.method !== "HEAD")
    return response instanceof Response ? response : new Response(body, { status, headers });
  discard(c, response);
  if (!isNotModified) return new Response(null, { status, headers });
  const fields = new Headers(headers);
  fields.delete("content-type");
  fields.delete("content-length");
  return new Response(null, { status: 304, headers: fields });
};

export interface CacheStatus {
  /** Set if the request was not forwarded. */
  readonly hit?: true;
  /** Why the request was forwarded (§2.2). */
  readonly forward?: "bypass" | "miss" | "request" | "stale";
  /** The status behind the cache, if it differs from the response's (§2.3). */
  readonly forwardStatus?: number;
  /** The remaining freshness, seconds; negative for a stale response (§2.4). */
  readonly ttlS?: number;
  /** Whether the response was stored (§2.5). */
  readonly stored?: boolean;
  /** Whether another request's response was used (§2.6). */
  readonly collapsed?: boolean;
  readonly detail?: "stale-while-revalidate" | "stale-if-error";
}

/** @param cache its name, a token */
export const writeCacheStatus = (cache: string, status: CacheStatus): string => {
  const { hit, forward, forwardStatus, ttlS, stored, collapsed, detail } = status;
  let text = cache;
  if (hit) text += "; hit";
  if (forward !== undefined) text += `; fwd=${forward}`;
  if (forwardStatus !== undefined) text += `; fwd-status=${forwardStatus}`;
  if (ttlS !== undefined) text += `; ttl=${ttlS}`;
  if (stored) text += "; stored";
  if (collapsed) text += "; collapsed";
  if (detail !== undefined) text += `; detail=${detail}`;
  return text;
};

export const CACHE_OUTCOMES = ["hit", "stale", "miss", "stale_on_error", "failed"] as const;
export type CacheOutcome = (typeof CACHE_OUTCOMES)[number];

export const outcomeOf = ({ hit, detail }: CacheStatus): CacheOutcome => {
  if (detail === "stale-if-error") return "stale_on_error";
  if (detail === "stale-while-revalidate") return "stale";
  return hit === true ? "hit" : "miss";
};
