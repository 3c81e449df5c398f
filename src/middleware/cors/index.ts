/**
 * CORS fields of every response but a preflight's, so that pages can read why a request was rejected, by whichever guard.
 * A request without a route gets the fields for each site that any route allows.
 */
import { createMiddleware } from "hono/factory";
import type { EdgeRoute } from "../../contract/edge-manifest.ts";
import type { Cors } from "../../contract/policy.ts";
import type { ContextVariables } from "../context/index.ts";
import type { Middleware } from "../pipeline.ts";
import { setHeaders } from "../problems/index.ts";
import type { RouteTable } from "../route-policy/route-table.ts";
import type { ScreeningVariables } from "../screening/index.ts";
import { allowedOrigin, isPreflight } from "./preflight.ts";

/** Fields that pages may read, besides those that browsers always expose. */
const EXPOSED =
  "deprecation, etag, idempotency-replayed, link, location, ratelimit, ratelimit-policy, retry-after, sunset, x-request-id";

/** Undefined for none. */
const corsHeaders = (policy: Cors, origin: string | undefined): Record<string, string> | undefined => {
  const isAny = policy.origins === "*";
  const allowed = origin === undefined ? undefined : allowedOrigin(policy, origin);
  // Without Vary, a cache would give one site's response to another.
  if (allowed === undefined) return isAny ? undefined : { vary: "Origin" };
  const fields = { "access-control-allow-origin": allowed, "access-control-expose-headers": EXPOSED };
  return isAny ? fields : { ...fields, vary: "Origin" };
};

/** The sites that any route allows. */
const everyCors = (routes: Iterable<EdgeRoute>): Cors | undefined => {
  const all = [...routes].flatMap(({ policy }) => policy.cors ?? []);
  const [first, ...others] = all.flatMap(({ origins }) => (origins === "*" ? [] : origins));
  if (all.some(({ origins }) => origins === "*")) return { origins: "*" };
  return first === undefined ? undefined : { origins: [first, ...others] };
};

/** Precedes the guards. hono/cors has one policy per application, and answers preflights itself. */
export const cors = (routes: RouteTable<EdgeRoute>): Middleware<ContextVariables> => {
  const every = everyCors(routes.all);
  return createMiddleware<{ Variables: ContextVariables & Partial<ScreeningVariables> }>(
    function cors(c, next) {
      if (every === undefined || isPreflight(c.req.raw)) return next();
      return next().then(() => {
        // The blocklist rejects a request before screening matches it.
        const match = c.get("match") ?? routes.match(c.req.method, c.get("target").path);
        const policy = match.kind === "found" ? match.entry.route.policy.cors : every;
        const fields = policy && corsHeaders(policy, c.req.header("origin"));
        if (fields !== undefined) setHeaders(c, fields);
      });
    },
  );
};
