/** CORS preflights (https://fetch.spec.whatwg.org/#cors-preflight-fetch), and other requests with the method OPTIONS. */
import type { EdgeRoute } from "../../contract/edge-manifest.ts";
import type { Cors } from "../../contract/policy.ts";
import { type Problem, problem } from "../../contract/problem.ts";
import { securityHeaders } from "../problems/index.ts";
import type { RouteTable } from "../route-policy/route-table.ts";

/** Time for which a browser may cache a preflight. */
const PREFLIGHT_MAX_AGE_S = 600;

/** The value of Access-Control-Allow-Origin; undefined if the policy does not allow the site. */
export const allowedOrigin = ({ origins }: Cors, origin: string): string | undefined => {
  if (origins === "*") return "*";
  return origins.includes(origin) ? origin : undefined;
};

export const isPreflight = (request: Pick<Request, "method" | "headers">): boolean =>
  request.method === "OPTIONS" &&
  request.headers.has("origin") &&
  request.headers.has("access-control-request-method");

/** Names of fields (RFC 9110 §5.1), as browsers list them. */
const FIELD_NAMES = /^[a-z0-9-]+(?: *, *[a-z0-9-]+)*$/i;
const MAX_FIELD_NAMES = 500;

/**
 * A page may send any field: those that the route does not declare reach no handler, and many applications send
 * `authorization` or trace context with every request.
 */
const preflightHeaders = (allowed: string, method: string, requested: string | null) => {
  const isList = requested !== null && requested.length <= MAX_FIELD_NAMES && FIELD_NAMES.test(requested);
  return {
    "access-control-allow-origin": allowed,
    "access-control-allow-methods": method,
    ...(isList && { "access-control-allow-headers": requested }),
    "access-control-max-age": String(PREFLIGHT_MAX_AGE_S),
    vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
  };
};

/** Answers OPTIONS for every path of the contract: as a preflight, or with the allowed methods. */
export const answerOptions = (
  routes: RouteTable<EdgeRoute>,
  request: Request,
  path: string,
  requestId: string,
): Response | Problem => {
  const { headers } = request;
  const isOfPage = isPreflight(request);
  const method = headers.get("access-control-request-method") ?? "";
  const match = routes.match(isOfPage ? method : "OPTIONS", path);
  if (match.kind === "not_found") return problem("not_found");
  const respond = (fields: Record<string, string>) =>
    new Response(null, {
      status: 204,
      headers: { ...securityHeaders, "x-request-id": requestId, ...fields },
    });
  if (match.kind === "method_not_allowed") {
    const allow = { allow: match.allow };
    return isOfPage ? problem("method_not_allowed", { headers: allow }) : respond(allow);
  }
  const { cors } = match.entry.route.policy;
  const allowed = cors && allowedOrigin(cors, headers.get("origin") ?? "");
  return allowed === undefined
    ? problem("forbidden", { detail: "CORS is not enabled for this route." })
    : respond(preflightHeaders(allowed, method, headers.get("access-control-request-headers")));
};
