/** That somebody has read or written what the contract calls sensitive. */
import type { Route } from "../../contract/route.ts";
import { tierHeaders } from "../../contract/tier-headers.ts";
import { isClient, UNKNOWN_CLIENT } from "../../core/security/client-identity.ts";
import type { Principal } from "../../core/security/principal.ts";
import type { Occurrence } from "../../core/security-events/event.ts";
import type { OriginContext } from "../route-operation.ts";
import { type EdgeRequest, targetOf } from "../verify-edge.ts";

export interface AccessOperation {
  readonly name: string;
  readonly route: Route;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** What an edge of another level may say is not what an event takes. */
const clientOf = (field = ""): string => (isClient(field) ? field : UNKNOWN_CLIENT);

/** Undefined where an access to the route leaves no event. */
export const dataAccess = (
  { name, route, now }: AccessOperation,
  c: OriginContext,
  { requestId }: EdgeRequest,
  principal: Principal | undefined,
): Occurrence | undefined =>
  route.policy.sensitive === true
    ? {
        type: "data_access",
        atMs: now(),
        client: clientOf(c.req.header(tierHeaders.clientAddress)),
        route: name,
        requestId,
        traceId: null,
        user: principal?.id ?? "anonymous",
        resource: targetOf(c.req.url).path,
        action: route.method === "GET" ? "read" : "write",
      }
    : undefined;
