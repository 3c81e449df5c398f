/** What guards have to say of a request to whoever watches over security. */
import type {
  AuthFailure,
  Occurrence,
  RateLimitExceeded,
  SuspiciousActivity,
} from "../security-events/event.ts";
import { traceIdOf } from "../telemetry/trace-context.ts";
import type { Exchange } from "./exchange.ts";

export type SecurityFinding = AuthFailure | RateLimitExceeded | SuspiciousActivity;

/** Costs the request nothing but a note in memory. */
export type ReportSecurity = (exchange: Exchange, finding: SecurityFinding) => void;

/** @param atMs epoch milliseconds */
export const occurrenceOf = (
  { client, entry, requestId }: Exchange,
  finding: SecurityFinding,
  atMs: number,
): Occurrence => ({
  atMs,
  client: client.name,
  route: entry?.name ?? null,
  requestId,
  traceId: traceIdOf(requestId),
  ...finding,
});
