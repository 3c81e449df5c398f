/** Audit events of access to what the contract declares sensitive. */
import { principalOf } from "../../middleware/auth/principal.ts";
import type { Occurrence } from "../../security-events/event.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { Operation } from "../handler.ts";
import type { OriginContext, OriginMiddleware } from "../middleware/context.ts";
import type { SecurityEvents } from "./security-events.ts";

/** @returns undefined if the route is not sensitive */
export const dataAccess = (
  { name, route }: Pick<Operation, "name" | "route">,
  c: OriginContext,
  atMs: number,
): Occurrence | undefined =>
  route.policy.sensitive === true
    ? {
        type: "data_access",
        atMs,
        client: c.get("client").name,
        route: name,
        requestId: c.get("requestId"),
        traceId: traceIdOf(c.get("requestId")),
        user:
          (route.policy.auth === "public" ? undefined : principalOf(c.get("identity")))?.id ?? "anonymous",
        resource: c.get("target").path,
        action: route.method === "GET" ? "read" : "write",
      }
    : undefined;

/** Records successful reads. A write's event is in its transaction. */
export const recordReads =
  (operation: Operation, events: SecurityEvents, now: () => number): OriginMiddleware =>
  async (c, next) => {
    await next();
    const access = c.res.status < 400 ? dataAccess(operation, c, now()) : undefined;
    if (access !== undefined) events.record(access);
  };
