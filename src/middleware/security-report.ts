/** How guards report security events. A report only appends to memory; nothing waits for it. */
import type { EventDetails, Occurrence } from "../security-events/event.ts";
import { traceIdOf } from "../telemetry/trace-context.ts";
import type { ContextVariables, VariableReader } from "./context/index.ts";

export type SecurityFinding = Exclude<EventDetails, { type: "data_access" }>;

interface ReportingContext extends VariableReader<ContextVariables> {
  readonly req: { header(name: string): string | undefined };
}

/** @param route the operation's name in the contract; null if no route matched yet */
export type ReportSecurity = (c: ReportingContext, route: string | null, finding: SecurityFinding) => void;

/** The rule of requests that a page of another site made. No screening rule, so it scores nothing. */
const CROSS_SITE_RULE = "cross_site";

/**
 * Whether a page of another site made the request (Fetch Metadata), so that its visitor must not be blocked for it.
 * Such a page cannot know the client's credentials: with some, the request counts as the client's own.
 */
const isForeignPage = ({ req }: ReportingContext): boolean =>
  req.header("sec-fetch-site") === "cross-site" && req.header("authorization") === undefined;

/** @param now epoch milliseconds */
export const securityReport =
  (record: (occurrence: Occurrence) => void, now: () => number): ReportSecurity =>
  (c, route, finding) => {
    const requestId = c.get("requestId");
    const { name: client } = c.get("client");
    const details: SecurityFinding = isForeignPage(c)
      ? { type: "suspicious_activity", rule: CROSS_SITE_RULE, details: `${CROSS_SITE_RULE}: ${finding.type}` }
      : finding;
    record({ atMs: now(), client, route, requestId, traceId: traceIdOf(requestId), ...details });
  };
