/** The one place that turns a problem into an answer (RFC 9457). */

import { internalHeaders } from "../../contract/internal-headers.ts";
import { type Problem, type ProblemDetails, problemTypes, problemTypeUri } from "../../contract/problem.ts";
import { securityHeaders } from "./security-headers.ts";

/** The body of the answer to a problem. */
export const problemDetails = (problem: Problem, requestId: string): ProblemDetails => ({
  type: problemTypeUri(problem.code),
  title: problemTypes[problem.code].title,
  status: problemTypes[problem.code].status,
  code: problem.code,
  requestId,
  ...(problem.detail === undefined ? {} : { detail: problem.detail }),
  ...(problem.errors === undefined ? {} : { errors: problem.errors }),
  ...(problem.violatedPolicies === undefined ? {} : { "violated-policies": problem.violatedPolicies }),
});

/** A complete answer: problem+json, never stored, with the security header fields of every answer. */
export const problemResponse = (problem: Problem, requestId: string): Response =>
  new Response(JSON.stringify(problemDetails(problem, requestId)), {
    status: problemTypes[problem.code].status,
    headers: {
      ...securityHeaders,
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      [internalHeaders.requestId]: requestId,
      ...problem.headers,
    },
  });
