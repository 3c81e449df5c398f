/** Finds the request's route in the contract, and answers preflights: 404, 405, and 400 for unknown query parameters. */
import { createMiddleware } from "hono/factory";
import type { EdgeRoute } from "../../contract/edge-manifest.ts";
import { type Problem, problem } from "../../contract/problem.ts";
import { notUtf8Parameters } from "../../lib/unicode.ts";
import { sanitize } from "../../security-events/event.ts";
import type { ContextVariables } from "../context/index.ts";
import { answerOptions } from "../cors/preflight.ts";
import type { Middleware } from "../pipeline.ts";
import { type RejectionVariables, reject } from "../problems/index.ts";
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

type Needs = ContextVariables & ScreeningVariables;
type Sets = RouteVariables & RejectionVariables;

/** Errors in one response, and UTF-16 units of a name in it. */
const MAX_ERRORS = 20;
const MAX_NAME = 100;

/**
 * Query parameters that a public route does not have: they would pass its cache, and every origin rejects them. On other
 * routes, credentials are checked first.
 */
const unknownParameters = ({ parameters, policy }: EdgeRoute, query: string): Problem | undefined => {
  if (query === "" || policy.auth !== "public" || notUtf8Parameters(query).length > 0) return undefined;
  const unknown = [...new URLSearchParams(query).keys()].filter((name) => !parameters.includes(name));
  const errors = [...new Set(unknown)].slice(0, MAX_ERRORS).map((name) => ({
    in: "query" as const,
    field: sanitize(name, MAX_NAME),
    detail: "Unknown field",
  }));
  return errors.length === 0 ? undefined : problem("invalid_request", { errors });
};

export const routePolicy = ({ routes, now }: RoutePolicyDeps): Middleware<Needs, Sets> =>
  createMiddleware<{ Variables: Needs & Sets }>(function routePolicy(c, next) {
    const rejected = (rejection: Problem | Response) => Promise.resolve(reject(c, "route", rejection));
    const { path, query } = c.get("target");
    if (c.req.method === "OPTIONS")
      return rejected(answerOptions(routes, c.req.raw, path, c.get("requestId")));
    const match = c.get("match");
    if (match.kind === "not_found") return rejected(problem("not_found"));
    if (match.kind === "method_not_allowed")
      return rejected(problem("method_not_allowed", { headers: { allow: match.allow } }));
    const { route } = match.entry;
    const unknown = unknownParameters(route, query);
    if (unknown !== undefined) return rejected(unknown);
    c.set("route", match.entry);
    c.set("deadlineAtMs", now() + route.timeoutMs);
    return next();
  });
