/** Answers with what the edge's cache has to say of them (RFC 9211), and 304 where the client holds their version. */

import type { Context } from "hono";
import { internalHeaders } from "../../contract/internal-headers.ts";
import { noneMatchHolds } from "../../lib/entity-tag.ts";
import { type CacheStatus, writeCacheStatus } from "../../middleware/response-cache/cache-status.ts";
import { outcomeOf } from "../../middleware/response-cache/outcome.ts";
import type { EdgeEnv } from "../env.ts";
import { CONDITION } from "./cache-key.ts";
import { clientHeaders, type KeptAnswer } from "./kept-answer.ts";

/** By this name answers tell of this cache. */
const CACHE_NAME = "breakwater-edge";

const respond = (c: Context<EdgeEnv>, body: ReadableStream | null, headers: Headers): Response => {
  const withoutBody = (status: number): Response => {
    // What nobody reads would hold its connection.
    if (body !== null) c.get("waitUntil")(body.cancel());
    return new Response(null, { status, headers });
  };
  const condition = c.req.raw.headers.get(CONDITION);
  const tag = headers.get("etag");
  if (condition !== null && tag !== null && noneMatchHolds(condition, tag)) {
    headers.delete("content-type");
    headers.delete("content-length");
    return withoutBody(304);
  }
  return c.req.method === "HEAD" ? withoutBody(200) : new Response(body, { status: 200, headers });
};

/** @param nowMs epoch milliseconds */
export const keptResponse = (
  c: Context<EdgeEnv>,
  kept: KeptAnswer,
  status: CacheStatus,
  nowMs: number,
): Response => {
  c.set("cacheOutcome", outcomeOf(status));
  const headers = clientHeaders(kept);
  const ageMs = Math.max(0, nowMs - kept.generatedAtMs);
  const ttlS = Math.floor((kept.windows.freshMs - ageMs) / 1000);
  headers.set("age", String(Math.ceil(ageMs / 1000)));
  headers.set(internalHeaders.requestId, c.get("requestId"));
  headers.append("cache-status", writeCacheStatus(CACHE_NAME, { ...status, ttlS }));
  return respond(c, kept.response.body, headers);
};

export const fetchedAnswer = (c: Context<EdgeEnv>, answer: Response, status: CacheStatus): Response => {
  const headers = new Headers(answer.headers);
  headers.append("cache-status", writeCacheStatus(CACHE_NAME, status));
  if (answer.status === 200) return respond(c, answer.body, headers);
  return new Response(answer.body, { status: answer.status, headers });
};
