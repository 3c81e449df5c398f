/** Finds the request's route in the contract and answers CORS: 404, 405, preflights, and the CORS fields of responses. */
import { createMiddleware } from "hono/factory";
import type { EdgeRoute } from "../../contract/edge-manifest.ts";
import type { Cors } from "../../contract/policy.ts";
import { type Problem, problem } from "../../contract/problem.ts";
import type { ContextVariables } from "../context/index.ts";
import type { Middleware } from "../pipeline.ts";
import { type RejectionVariables, reject, securityHeaders, setHeaders } from "../problems/index.ts";
import type { ScreeningVariables } from "../screening/index.ts";
import type { RouteEntry, RouteTable } from "./route-table.ts";

export interface RouteVariables {
  route: RouteEntry<EdgeRoute>;
  /** The request's deadline, epoch milliseconds. */
  deadlineAtMs: number;
}

export interface RoutePolicyDeps {
  readonly routes: RouteTable<EdgeRoute>;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

type Variables = ContextVariables & ScreeningVariables & RouteVariables & RejectionVariables;

/** Time for which a browser may cache a preflight. */
const PREFLIGHT_MAX_AGE_S = 600;

/** Fields that pages may read beside those that browsers always expose. */
const EXPOSED =
  "etag, idempotency-replayed, location, retry-after, x-request-id, ratelimit, ratelimit-policy";

const allowedOrigin = (cors: Cors | undefined, origin: string): string | undefined => {
  if (cors === undefined) return undefined;
  if (cors.origins === "*") return "*";
  return cors.origins.includes(origin) ? origin : undefined;
};

/**
 * Fields for an actual request from a page of `origin`; undefined without CORS. If only some sites are allowed, every
 * response has Vary, or a cache would give one site's response to another.
 */
const corsHeaders = (cors: Cors | undefined, origin: string | null): Record<string, string> | undefined => {
  const allowed = origin === null ? undefined : allowedOrigin(cors, origin);
  if (allowed === undefined)
    return cors === undefined || cors.origins === "*" ? undefined : { vary: "Origin" };
  return {
    "access-control-allow-origin": allowed,
    "access-control-expose-headers": EXPOSED,
    ...(allowed === "*" ? {} : { vary: "Origin" }),
  };
};

/** Fields of a preflight's response. */
const preflightHeaders = (
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

const notAllowed = (allow: string): Problem => problem("method_not_allowed", { headers: { allow } });

const preflightFields = ({ fields, takesJson, policy }: EdgeRoute): string[] => [
  ...fields,
  ...(takesJson ? ["content-type"] : []),
  ...(policy.auth === "public" ? [] : ["authorization"]),
];

/** OPTIONS is answered for every path of the contract, and as a preflight if it is one. */
const answerOptions = (
  routes: RouteTable<EdgeRoute>,
  { headers }: Request,
  path: string,
  requestId: string,
): Response | Problem => {
  const origin = headers.get("origin");
  const method = headers.get("access-control-request-method");
  const match = routes.match(origin === null ? "OPTIONS" : (method ?? "OPTIONS"), path);
  if (match.kind === "not_found") return problem("not_found");
  const common = { ...securityHeaders, "x-request-id": requestId };
  if (origin === null || method === null) {
    const allow = match.kind === "method_not_allowed" ? match.allow : "OPTIONS";
    return new Response(null, { status: 204, headers: { ...common, allow } });
  }
  if (match.kind === "method_not_allowed") return notAllowed(match.allow);
  const { route } = match.entry;
  const preflight = preflightHeaders(route.policy.cors, { origin, method, headers: preflightFields(route) });
  return preflight === undefined
    ? problem("forbidden", { detail: "CORS is not enabled for this route." })
    : new Response(null, { status: 204, headers: { ...common, ...preflight } });
};

/** hono/cors has one policy per path pattern and answers a preflight of an unknown method; here the contract decides per route. */
export const routePolicy = ({
  routes,
  now,
}: RoutePolicyDeps): Middleware<ContextVariables & ScreeningVariables, RouteVariables & RejectionVariables> =>
  createMiddleware<{ Variables: Variables }>(function routePolicy(c, next) {
    const rejected = (rejection: Problem | Response) => Promise.resolve(reject(c, "route", rejection));
    if (c.req.method === "OPTIONS")
      return rejected(answerOptions(routes, c.req.raw, c.get("target").path, c.get("requestId")));
    const match = c.get("match");
    if (match.kind === "not_found") return rejected(problem("not_found"));
    if (match.kind === "method_not_allowed") return rejected(notAllowed(match.allow));
    const { route } = match.entry;
    c.set("route", match.entry);
    c.set("deadlineAtMs", now() + route.timeoutMs);
    const cors = route.policy.cors && corsHeaders(route.policy.cors, c.req.header("origin") ?? null);
    return cors === undefined ? next() : next().then(() => setHeaders(c, cors));
  });
