/** The one place where a problem becomes a response, whichever middleware found it (RFC 9457). */
import { type Problem, problem } from "../../contract/problem.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { ContextVariables, VariableReader } from "../context/index.ts";
import { problemResponse } from "./problem-response.ts";

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
