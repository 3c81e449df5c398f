/** An application with the telemetry of requests, and one request to it. */
import { Hono } from "hono";
import type { CacheOutcome } from "../../../src/middleware/response-cache/respond.ts";
import type { OriginContext, OriginEnv } from "../../../src/origin/middleware/context.ts";
import {
  type RequestTelemetry,
  requestTelemetry,
  serverSpan,
} from "../../../src/origin/middleware/request-telemetry.ts";

export const REQUEST_ID = "0190a0b4-1234-4abc-8def-0123456789ab";
export const TRACE_ID = "0190a0b412344abc8def0123456789ab";
export const PARENT_ID = "00f067aa0ba902b7";

export interface RequestOptions {
  /** Below `/products`, whose handler is called, or below `/closed`, which is rejected. */
  readonly path?: string;
  readonly method?: string;
  /** The edge's span. @default PARENT_ID */
  readonly parent?: string | "unsampled" | "no edge";
  readonly cacheOutcome?: CacheOutcome;
  readonly handle?: (c: OriginContext) => Response | Promise<Response>;
}

export const requestWith = async (
  telemetry: RequestTelemetry,
  { path = "/products/7", method = "GET", parent = PARENT_ID, cacheOutcome, handle }: RequestOptions = {},
): Promise<Response> => {
  const parentSpanId = parent === "unsampled" ? undefined : parent;
  const edge = {
    attempt: 1,
    cacheControl: undefined,
    parentSpanId,
    nonceState: async () => "first" as const,
  };
  const app = new Hono<OriginEnv>();
  app.onError(() => new Response(null, { status: 500 }));
  app.use((c, next) => {
    c.set("requestId", REQUEST_ID);
    c.set("edge", parent === "no edge" ? undefined : edge);
    c.set("cacheOutcome", cacheOutcome);
    return next();
  });
  app.use(requestTelemetry(telemetry));
  app.use("/closed/*", async (c) => c.body(null, 401));
  app.use(serverSpan(telemetry));
  for (const route of ["/products/:id", "/closed/:id"])
    app.get(route, handle ?? (() => new Response("done")));
  return await app.request(path, { method });
};
