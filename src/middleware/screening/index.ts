/** Rejects requests that no API client sends: traversal, control characters, scanner paths, long URLs. */
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
  /** The contract's match for the request's method and path. */
  match: Match<EdgeRoute>;
}

export interface ScreeningDeps {
  readonly routes: RouteTable<EdgeRoute>;
  readonly report: ReportSecurity;
}

const problemOf = ({ rule, details }: Finding, match: Match<EdgeRoute>) => {
  const code = SCREENING_RULES[rule].answer;
  switch (code) {
    case "not_found":
      // No detail: a scanner gets the same response as for any unknown path.
      return problem(code);
    case "method_not_allowed":
      return problem(code, {
        headers: { allow: match.kind === "method_not_allowed" ? match.allow : SCREENED_METHODS },
      });
    default:
      return problem(code, { detail: `Rejected: ${details}.` });
  }
};

export const screening = (
  deps: ScreeningDeps,
): Middleware<ContextVariables, ScreeningVariables & RejectionVariables> =>
  createMiddleware<{ Variables: ContextVariables & ScreeningVariables & RejectionVariables }>(
    function screening(c, next) {
      const { method } = c.req;
      const { path, query } = c.get("target");
      const match = deps.routes.match(method, path);
      c.set("match", match);
      const finding = screen({ method, path, query, isRoute: match.kind !== "not_found" });
      if (finding === undefined) return next();
      const route = match.kind === "found" ? match.entry.name : null;
      deps.report(c, route, { type: "suspicious_activity", ...finding });
      return Promise.resolve(reject(c, "screening", problemOf(finding, match)));
    },
  );
