/** Responses with the fields of this cache (RFC 9211), and 304 to a client that has the current version. */
import { noneMatchHolds } from "../../lib/http.ts";
import type { CacheTarget } from "./cacheable.ts";
import { cancelBody, type FinishedResponse, type StoredResponse } from "./entry.ts";
import type { CacheOutcome } from "./outcome.ts";

/** What the cache uses of Hono's context, whatever else a tier has in it. */
export interface CacheContext {
  readonly req: { readonly method: string; header(name: string): string | undefined };
  get(name: "requestId"): string;
  get(name: "target"): CacheTarget;
  /** Continues with work after the response. */
  get(name: "waitUntil"): (work: Promise<unknown>) => void;
  /** Unset if the cache was not used. */
  set(name: "cacheOutcome", outcome: CacheOutcome): void;
}

type Fields = Readonly<Record<string, string>>;

/** Releases the connection of a body that will not be read. */
export const discard = (c: CacheContext, response: Parameters<typeof cancelBody>[0]): void => {
  const cancelling = cancelBody(response);
  if (cancelling !== undefined) c.get("waitUntil")(cancelling);
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
