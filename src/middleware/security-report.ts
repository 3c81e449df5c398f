/** How guards report security events. A report costs the request a note in memory; nothing waits for it. */
import type { EventDetails, Occurrence } from "../security-events/event.ts";
import { traceIdOf } from "../telemetry/trace-context.ts";
import type { ContextVariables, VariableReader } from "./context/index.ts";

export type SecurityFinding = Exclude<EventDetails, { type: "data_access" }>;

/** @param route the operation's name in the contract; null if no route matched yet */
export type ReportSecurity = (
  c: VariableReader<ContextVariables>,
  route: string | null,
  finding: SecurityFinding,
) => void;

/** @param record takes the event @param now epoch milliseconds */
export const securityReport =
  (record: (occurrence: Occurrence) => void, now: () => number): ReportSecurity =>
  (c, route, finding) => {
    const requestId = c.get("requestId");
    const { name: client } = c.get("client");
    record({ atMs: now(), client, route, requestId, traceId: traceIdOf(requestId), ...finding });
  };
