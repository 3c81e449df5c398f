/** Turns problems into responses (RFC 9457), for every middleware. */
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

/** Writes a log entry for operators. */
export type Log = (entry: Readonly<Record<string, unknown>>) => void;

export interface RejectionVariables {
  /** Name of the guard that answered the request. */
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

/** Hono's `onError`: an unexpected error is logged, and the client gets 500 without details. */
export const problems =
  (log: Log) =>
  (error: Error, c: VariableReader<Partial<ContextVariables>>): Response => {
    const requestId = c.get("requestId") ?? crypto.randomUUID();
    const trace_id = traceIdOf(requestId);
    log({ level: "error", message: "unhandled", requestId, trace_id, error: String(error) });
    return problemResponse(problem("internal"), requestId);
  };

/** A complete problem+json response: never stored, with the security header fields. */
export const problemResponse = (problem: Problem, requestId: string): Response => {
  const { code, detail, errors, violatedPolicies } = problem;
  const { status, title } = problemTypes[code];
  const type = problemTypeUri(code);
  const limits = { "violated-policies": violatedPolicies };
  const details: ProblemDetails = { type, title, status, code, requestId, detail, errors, ...limits };
  return new Response(JSON.stringify(details), {
    status,
    headers: {
      ...securityHeaders,
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      [internalHeaders.requestId]: requestId,
      ...problem.headers,
    },
  });
};

/**
 * Security header fields of every response, for data that is neither framed, sniffed nor run. HTML pages such
 * as `/docs` override the content-security-policy. Source: OWASP REST Security Cheat Sheet, "Security
 * Headers".
 */
export const securityHeaders = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "cross-origin",
  "referrer-policy": "no-referrer",
  "strict-transport-security": "max-age=31536000; includeSubDomains",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

/** Sets fields in place, because Hono's `c.header` copies a finished response per field. Extends Vary. */
export const setHeaders = (c: Context, fields: Readonly<Record<string, string>>): void => {
  const { headers } = c.res;
  for (const [name, value] of Object.entries(fields)) {
    if (name === "vary") headers.append(name, value);
    else headers.set(name, value);
  }
};
