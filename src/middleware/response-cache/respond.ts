/** Responses with the fields of this cache (RFC 9211), and 304 to a client that has the current version. */
import type { Context } from "hono";
import { isProblem } from "../../contract/problem.ts";
import { noneMatchHolds } from "../../lib/entity-tag.ts";
import { problemResponse } from "../problems/problem-response.ts";
import type { CacheTarget } from "./cacheable.ts";
import { cancelBody, type FillResult, type StoredResponse } from "./entry.ts";
import type { CacheOutcome } from "./outcome.ts";

/** Variables that the cache needs, and `cacheOutcome`, which it sets. */
export interface CacheVariables {
  requestId: string;
  target: CacheTarget;
  /** Continues with work after the response. */
  waitUntil: (work: Promise<unknown>) => void;
  /** At the origin: the Cache-Control of the edge. A client's own is ignored. */
  cacheControl?: string | undefined;
  /** Undefined if the cache was not used. */
  cacheOutcome?: CacheOutcome;
}

export type CacheContext = Context<{ Variables: CacheVariables }>;

type Fields = Headers | Readonly<Record<string, string>>;

export const discard = (c: CacheContext, response: FillResult | StoredResponse | undefined): void => {
  const cancelling = cancelBody(response);
  if (cancelling !== undefined) c.get("waitUntil")(cancelling);
};

/** The fields of other caches on the way come first (RFC 9211 §2). */
const withCacheFields = (
  fields: Readonly<Record<string, string>>,
  requestId: string,
  cacheStatus: string,
  ageS: number | undefined,
): Record<string, string> => {
  const others = fields["cache-status"];
  return {
    ...fields,
    "x-request-id": requestId,
    "cache-status": others === undefined ? cacheStatus : `${others}, ${cacheStatus}`,
    ...(ageS === undefined ? undefined : { age: String(ageS) }),
  };
};

const isCurrent = (c: CacheContext, fields: Fields): boolean => {
  const condition = c.req.header("if-none-match");
  if (condition === undefined) return false;
  const tag = fields instanceof Headers ? fields.get("etag") : fields["etag"];
  return typeof tag === "string" && noneMatchHolds(condition, tag);
};

/** @param ageS of an entry, seconds @returns the response for this client */
export const respond = (
  c: CacheContext,
  response: FillResult | StoredResponse,
  cacheStatus: string,
  ageS?: number,
): Response => {
  const requestId = c.get("requestId");
  if (isProblem(response)) {
    const headers = withCacheFields(response.headers ?? {}, requestId, cacheStatus, ageS);
    return problemResponse({ ...response, headers }, requestId);
  }
  const { status, body } = response;
  let headers: Fields;
  if (response instanceof Response) {
    headers = new Headers(response.headers);
    headers.append("cache-status", cacheStatus);
  } else {
    headers = withCacheFields(response.headers, requestId, cacheStatus, ageS);
  }
  if (status === 200 && isCurrent(c, headers)) {
    discard(c, response);
    const fields = new Headers(headers);
    fields.delete("content-type");
    fields.delete("content-length");
    return new Response(null, { status: 304, headers: fields });
  }
  if (c.req.method === "HEAD") {
    discard(c, response);
    return new Response(null, { status, headers });
  }
  return new Response(body, { status, headers });
};
