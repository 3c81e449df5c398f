/** Metrics, access log and server span of every request, whatever becomes of it. */
import { matchedRoutes } from "hono/route";
import { knownMethod } from "../../lib/http.ts";
import type { RequestTelemetry, TelemetryRoute } from "../telemetry/request-telemetry.ts";
import type { OriginContext, OriginMiddleware } from "./context.ts";

/**
 * Recorded if the client disconnected before the response, as the edge does when another origin was faster. nginx's status for
 * it: with the response's own status, hedges would look like failures.
 */
const CLIENT_CLOSED_REQUEST = 499;

const statusOf = (c: OriginContext): number =>
  c.env?.outgoing?.destroyed === true ? CLIENT_CLOSED_REQUEST : c.res.status;

/** Never the path itself: clients could create any number of series. */
const routeOf = (c: OriginContext): TelemetryRoute =>
  matchedRoutes(c).find(({ path }) => !path.endsWith("*")) ?? {
    method: knownMethod(c.req.method),
    path: "",
  };

/** Stands before everything that can reject a request. */
export const requestTelemetry =
  ({ served }: RequestTelemetry): OriginMiddleware =>
  async (c, next) => {
    c.set("receivedAtMs", performance.now());
    await next();
    served({
      route: routeOf(c),
      requestId: c.get("requestId"),
      span: c.get("span"),
      cacheOutcome: c.get("cacheOutcome"),
      status: statusOf(c),
      durationMs: performance.now() - c.get("receivedAtMs"),
    });
  };

/** Stands behind the check of the signature: only then are the trace and the edge's span trusted. */
export const serverSpan =
  ({ begin }: RequestTelemetry): OriginMiddleware =>
  (c, next) => {
    const span = begin({
      route: routeOf(c),
      requestId: c.get("requestId"),
      edge: c.get("edge"),
      receivedAtMs: c.get("receivedAtMs"),
    });
    if (span === undefined) return next();
    c.set("span", span);
    return span.run(next);
  };
