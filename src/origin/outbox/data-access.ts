/** Audit events of routes that the contract marks as sensitive. */
import { principalOf } from "../../middleware/auth/principal.ts";
import type { Occurrence } from "../../security-events/event.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { Operation } from "../handler.ts";
import type { OriginContext, OriginMiddleware } from "../middleware/context.ts";
import type { SecurityEvents } from "./security-events.ts";

/** @returns undefined if the route is not sensitive */
export const dataAccess = (
  { name, route }: Operation,
  c: OriginContext,
  atMs: number,
): Occurrence | undefined => {
  if (route.policy.sensitive !== true) return undefined;
  const principal = route.policy.auth === "public" ? undefined : principalOf(c.get("identity"));
  return {
    type: "data_access",
    atMs,
    client: c.get("client").name,
    route: name,
    requestId: c.get("requestId"),
    traceId: traceIdOf(c.get("requestId")),
    user: principal?.id ?? "anonymous",
    resource: c.get("target").path,
    action: route.method === "GET" ? "read" : "write",
  };
};

/** Records successful reads. A write records its event in its transaction. */
export const recordReads =
  (operation: Operation, events: SecurityEvents, now: () => number): OriginMiddleware =>
  async (c, next) => {
    await next();
    const access = c.res.status < 400 ? dataAccess(operation, c, now()) : undefined;
    if (access !== undefined) events.record(access);
  };
