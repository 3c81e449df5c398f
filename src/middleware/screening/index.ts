/** Rejects requests that no client of an API sends: traversal, control characters, scanner paths, odd methods, long URLs. */
import { createMiddleware } from "hono/factory";
import type { EdgeRoute } from "../../contract/edge-manifest.ts";
import { problem } from "../../contract/problem.ts";
import type { ContextVariables } from "../context/index.ts";
import type { Middleware } from "../pipeline.ts";
import { type RejectionVariables, reject } from "../problems/index.ts";
import type { Match, RouteTable } from "../route-policy/route-table.ts";
import type { ReportSecurity } from "../security-report.ts";
import { type Finding, SCREENING_RULES } from "./rules.ts";
import { SCREENED_METHODS, screen } from "./screen.ts";

export interface ScreeningVariables {
  /** What the contract has under the request's method and path. */
  match: Match<EdgeRoute>;
}

export interface ScreeningDeps {
  readonly routes: RouteTable<EdgeRoute>;
  readonly report: ReportSecurity;
}

const problemOf = ({ rule, details }: Finding) => {
  const code = SCREENING_RULES[rule].answer;
  switch (code) {
    case "not_found":
      // A scanner learns no more than any client that asks for what does not exist.
      return problem(code);
    case "method_not_allowed":
      return problem(code, { headers: { allow: SCREENED_METHODS } });
    default:
      return problem(code, { detail: `Rejected: ${details}.` });
  }
};

type Variables = ContextVariables & ScreeningVariables & RejectionVariables;

export const screening = (
  deps: ScreeningDeps,
): Middleware<ContextVariables, ScreeningVariables & RejectionVariables> =>
  createMiddleware<{ Variables: Variables }>(function screening(c, next) {
    const { method } = c.req;
    const { path, query } = c.get("target");
    const match = deps.routes.match(method, path);
    c.set("match", match);
    const isRoute = match.kind !== "not_found";
    const finding = screen({ method, path, query, isRoute });
    if (finding === undefined) return next();
    deps.report(c, match.kind === "found" ? match.entry.name : null, {
      type: "suspicious_activity",
      ...finding,
    });
    return Promise.resolve(reject(c, "screening", problemOf(finding)));
  });
