/** `/health`: the process runs. `/ready`: it may receive requests. Both are reachable without a signature. */
import { Hono } from "hono";

const headers = { "cache-control": "no-store" };

export interface Reporting {
  report(): Promise<{ readonly ready: boolean }>;
}

export const createProbes = (readiness: Reporting): Hono => {
  const app = new Hono();
  app.get("/health", (c) => c.json({ status: "ok" }, 200, headers));
  app.get("/ready", async (c) => {
    const report = await readiness.report();
    return c.json(report, report.ready ? 200 : 503, headers);
  });
  return app;
};

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
}

/** The admin port: the probes and Prometheus' metrics. */
export const createAdmin = (readiness: Reporting, metrics: Metrics): Hono => {
  const app = createProbes(readiness);
  app.get("/metrics", async (c) =>
    c.body(await metrics.text(), 200, { "content-type": metrics.contentType }),
  );
  return app;
};
