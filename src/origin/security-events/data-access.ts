/** That somebody has read or written what the contract calls sensitive. */
import type { Route } from "../../contract/route.ts";
import type { Principal } from "../../middleware/auth/principal.ts";
import type { Occurrence } from "../../security-events/event.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { AdmittedRequest } from "../admitted-request.ts";
import type { OriginContext } from "../route-operation.ts";
import { targetOf } from "../verify-edge.ts";

export interface AccessOperation {
  readonly name: string;
  readonly route: Route;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Undefined where an access to the route leaves no event. */
export const dataAccess = (
  { name, route, now }: AccessOperation,
  c: OriginContext,
  { requestId, client }: AdmittedRequest,
  principal: Principal | undefined,
): Occurrence | undefined =>
  route.policy.sensitive === true
    ? {
        type: "data_access",
        atMs: now(),
        client,
        route: name,
        requestId,
        traceId: traceIdOf(requestId),
        user: principal?.id ?? "anonymous",
        resource: targetOf(c.req.url).path,
        action: route.method === "GET" ? "read" : "write",
      }
    : undefined;
