/** Finds the request's route in the contract: 404, 405, and the answer to a CORS preflight come from here. */

import type { EdgeRoute } from "../../contract/edge-manifest.ts";
import { problem } from "../../contract/problem.ts";
import type { Exchange, Guard, GuardResult } from "../exchange.ts";
import { securityHeaders } from "../problems/security-headers.ts";
import { corsHeaders, preflightHeaders } from "./cors.ts";
import type { RouteTable } from "./route-table.ts";

export const routeGuard =
  (table: RouteTable<EdgeRoute>, now: () => number): Guard =>
  (exchange) => {
    const { request, path } = exchange;
    if (request.method === "OPTIONS") return answerOptions(table, exchange);
    const match = exchange.match ?? table.match(request.method, path);
    if (match.kind === "not_found") return problem("not_found");
    if (match.kind === "method_not_allowed") return notAllowed(match.allow);
    const { route } = match.entry;
    const cors = corsHeaders(route.policy.cors, request.headers.get("origin"));
    if (cors !== undefined) exchange.corsHeaders = cors;
    exchange.entry = match.entry;
    exchange.deadlineAtMs = now() + route.timeoutMs;
    return undefined;
  };

const notAllowed = (allow: string): GuardResult => problem("method_not_allowed", { headers: { allow } });

/** OPTIONS is answered for every path of the contract; as a preflight where it is one. */
const answerOptions = (table: RouteTable<EdgeRoute>, { request, path, requestId }: Exchange): GuardResult => {
  const origin = request.headers.get("origin");
  const method = request.headers.get("access-control-request-method");
  const match = table.match(origin === null ? "OPTIONS" : (method ?? "OPTIONS"), path);
  if (match.kind === "not_found") return problem("not_found");
  const answered = { ...securityHeaders, "x-request-id": requestId };
  if (origin === null || method === null) {
    const allow = match.kind === "method_not_allowed" ? match.allow : "OPTIONS";
    return new Response(null, { status: 204, headers: { ...answered, allow } });
  }
  if (match.kind === "method_not_allowed") return notAllowed(match.allow);
  const { route } = match.entry;
  const headers = [...forwardedNames(route), ...(route.policy.auth === "public" ? [] : ["authorization"])];
  const preflight = preflightHeaders(route.policy.cors, { origin, method, headers });
  return preflight === undefined
    ? problem("forbidden", { detail: "No site's page may call this route." })
    : new Response(null, { status: 204, headers: { ...answered, ...preflight } });
};

const forwardedNames = ({ fields, takesJson }: EdgeRoute): string[] => [
  ...fields,
  ...(takesJson ? ["content-type"] : []),
];
