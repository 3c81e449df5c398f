/** Which header fields let a site's page use an answer (Fetch Standard, "CORS protocol"). */
import type { Cors } from "../../contract/policy.ts";

/** Seconds for which a browser may keep the answer to a preflight. */
const PREFLIGHT_MAX_AGE_S = 600;

/** Header fields that pages may read beside those that browsers always show. */
const EXPOSED =
  "etag, idempotency-replayed, location, retry-after, x-request-id, ratelimit, ratelimit-policy";

const allowedOrigin = (cors: Cors | undefined, origin: string): string | undefined => {
  if (cors === undefined) return undefined;
  if (cors.origins === "*") return "*";
  return cors.origins.includes(origin) ? origin : undefined;
};

/**
 * The fields for an actual request from a page of `origin`; undefined where the policy lets none. Where only
 * some sites may, every answer says so by Vary, or a cache would hand one site's answer to another.
 */
export const corsHeaders = (
  cors: Cors | undefined,
  origin: string | null,
): Record<string, string> | undefined => {
  const allowed = origin === null ? undefined : allowedOrigin(cors, origin);
  if (allowed === undefined)
    return cors === undefined || cors.origins === "*" ? undefined : { vary: "Origin" };
  return {
    "access-control-allow-origin": allowed,
    "access-control-expose-headers": EXPOSED,
    ...(allowed === "*" ? {} : { vary: "Origin" }),
  };
};

/** The fields of a preflight's answer, for the method that was asked for. */
export const preflightHeaders = (
  cors: Cors | undefined,
  asked: { origin: string; method: string; headers: readonly string[] },
): Record<string, string> | undefined => {
  const allowed = allowedOrigin(cors, asked.origin);
  if (allowed === undefined) return undefined;
  return {
    "access-control-allow-origin": allowed,
    "access-control-allow-methods": asked.method,
    ...(asked.headers.length === 0 ? {} : { "access-control-allow-headers": asked.headers.join(", ") }),
    "access-control-max-age": String(PREFLIGHT_MAX_AGE_S),
    vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
  };
};
