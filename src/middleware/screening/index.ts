/**
 * Refuses what no client of an API sends. Header fields are not gone through here: the platform bounds them, those that go
 * on are few and named by the contract, and a pass over all of them costs more than all other checks together.
 */

import type { EdgeRoute } from "../../contract/edge-manifest.ts";
import { problem } from "../../contract/problem.ts";
import type { Guard, GuardResult } from "../exchange.ts";
import type { RouteTable } from "../route-policy/route-table.ts";
import type { ReportSecurity } from "../security-report.ts";
import { type Finding, SCREENING_ANSWERS } from "./rules.ts";
import { SCREENED_METHODS, screen } from "./screen.ts";

const answerTo = ({ rule, details }: Finding): GuardResult => {
  const code = SCREENING_ANSWERS[rule];
  switch (code) {
    case "not_found":
      // Who looks for holes is told what everybody is told of what does not exist.
      return problem(code);
    case "method_not_allowed":
      return problem(code, { headers: { allow: SCREENED_METHODS } });
    default:
      return problem(code, { detail: `Rejected: ${details}.` });
  }
};

export const screeningGuard = (table: RouteTable<EdgeRoute>, reportSecurity: ReportSecurity): Guard => {
  return (exchange) => {
    const { request, path, query, fields } = exchange;
    const { method } = request;
    const match = table.match(method, path);
    exchange.match = match;
    const finding = screen({ method, path, query, isRoute: match.kind !== "not_found", headers: fields });
    if (finding === undefined) return undefined;
    reportSecurity(exchange, { type: "suspicious_activity", ...finding });
    return answerTo(finding);
  };
};
