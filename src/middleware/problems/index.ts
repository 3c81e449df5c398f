/** The one place where a problem becomes a response, whichever middleware found it (RFC 9457). */
import type { Context } from "hono";
import { internalHeaders } from "../../contract/internal-headers.ts";
import {
  type Problem,
  type ProblemDetails,
  problem,
  problemTypes,
  problemTypeUri,
} from "../../contract/problem.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { ContextVariables, VariableReader } from "../context/index.ts";

/** Writes a line for operators. */
export type Log = (entry: Readonly<Record<string, unknown>>) => void;

export interface RejectionVariables {
  /** The guard that answered the request; a constant of the code, never a client's text. */
  rejectedBy: string;
}

/** Ends a request at a guard. */
export const reject = (
  c: VariableReader<ContextVariables> & { set(name: "rejectedBy", guard: string): void },
  guard: string,
  rejection: Problem | Response,
): Response => {
  c.set("rejectedBy", guard);
  return rejection instanceof Response ? rejection : problemResponse(rejection, c.get("requestId"));
};

/** Hono's `onError`: an unforeseen error is logged, and the client learns nothing about it. */
export const problems =
  (log: Log) =>
  (error: Error, c: VariableReader<Partial<ContextVariables>>): Response => {
    const requestId = c.get("requestId") ?? crypto.randomUUID();
    log({
      level: "error",
      message: "unhandled",
      requestId,
      trace_id: traceIdOf(requestId),
      error: String(error),
    });
    return problemResponse(problem("internal"), requestId);
  };

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

/**
 * Header fields that every answer of an API carries: it is data, to be neither framed, sniffed nor run.
 * A page of its own (such as `/docs`) replaces the content-security-policy.
 *
 * Source: OWASP REST Security Cheat Sheet, "Security Headers".
 */
export const securityHeaders = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "cross-origin",
  "referrer-policy": "no-referrer",
  "strict-transport-security": "max-age=31536000; includeSubDomains",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

/**
 * Sets fields of the response in place: Hono's own `c.header` copies a finished response for each field. The handlers of
 * both tiers return responses whose header fields may be changed. Vary is extended.
 */
export const setHeaders = (c: Context, fields: Readonly<Record<string, string>>): void => {
  const { headers } = c.res;
  for (const name in fields) {
    const value = fields[name] ?? "";
    if (name === "vary") headers.append(name, value);
    else headers.set(name, value);
  }
};
