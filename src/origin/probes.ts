/** `/health`: the process lives. `/ready`: it may get requests. Both stay reachable without a signature. */
import { Hono } from "hono";
import type { Readiness } from "./readiness.ts";

const headers = { "cache-control": "no-store" };

export const createProbes = (readiness: Readiness): Hono => {
  const app = new Hono();
  app.get("/health", (c) => c.json({ status: "ok" }, 200, headers));
  app.get("/ready", async (c) => {
    const report = await readiness.report();
    return c.json(report, report.ready ? 200 : 503, headers);
  });
  return app;
};
