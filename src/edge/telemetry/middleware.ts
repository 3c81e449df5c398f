/** Telemetry around a request: its span if it is sampled, its metrics and its access line; and the export of what waits. */
import type { MiddlewareHandler } from "hono";
import { createMiddleware } from "hono/factory";
import type { EdgeEnv } from "../env.ts";
import type { SecurityEventExporter } from "../security-event-exporter.ts";
import type { EdgeTelemetry } from "./telemetry.ts";

/** @param now epoch milliseconds */
export const telemetry = (
  { begin, served, active }: EdgeTelemetry,
  events: SecurityEventExporter,
  now: () => number,
): MiddlewareHandler<EdgeEnv> =>
  createMiddleware<EdgeEnv>(async function telemetry(c, next) {
    const startedAtMs = now();
    const trace = begin(c.get("requestId"), startedAtMs);
    c.set("trace", trace);
    c.set("attempts", []);
    await active.run(trace, next);
    served(c, startedAtMs);
    events.flush(c.get("waitUntil"));
  });
