/** An OpenTelemetry collector for tests: it stores everything that it receives, and can misbehave. */
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { createMetricStore } from "../../src/local/telemetry/metrics.ts";
import type { Span } from "../../src/local/telemetry/otlp.ts";
import { createReceiverApp, type Stores } from "../../src/local/telemetry/receiver.ts";
import { createTraceStore } from "../../src/local/telemetry/traces.ts";
import { close, listen } from "./listen.ts";

/** `hangs`: accepts requests and never responds. `cuts`: closes the connection. `away`: the port refuses connections. */
export type Behavior = "well" | "hangs" | "fails" | "cuts" | "away";

export interface Collector extends Pick<Stores, "traces" | "metrics"> {
  /** Its base address, for OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  /** Every accepted body, as sent. */
  readonly bodies: readonly string[];
  spans(): readonly Span[];
  /** Applies from now on, and cuts off hanging requests. */
  behave(as: Behavior): Promise<void>;
  stop(): Promise<void>;
}

/** More than any test sends. */
const MAX_TRACES = 50_000;
const MAX_SIZE = 512 * 1024 * 1024;

export const startCollector = async (): Promise<Collector> => {
  const stores: Stores = {
    traces: createTraceStore(MAX_TRACES, MAX_SIZE),
    metrics: createMetricStore(),
    logs: [],
  };
  const bodies: string[] = [];
  let behavior: Behavior = "well";

  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    if (c.req.method === "POST" && c.res.ok) bodies.push(await c.req.text());
  });
  app.route("/", createReceiverApp(stores));
  const listener = getRequestListener(app.fetch);

  const server = createServer((request, response) => {
    switch (behavior) {
      case "well":
        void listener(request, response);
        break;
      case "fails":
        request.resume();
        response.writeHead(500).end();
        break;
      case "cuts":
        request.socket.destroy();
        break;
      case "hangs":
      case "away":
        request.resume();
    }
  });
  const port = await listen(server);

  return {
    url: `http://127.0.0.1:${port}`,
    traces: stores.traces,
    metrics: stores.metrics,
    bodies,
    spans: () => stores.traces.all().flatMap(({ spans }) => spans),
    behave: async (as) => {
      behavior = as;
      if (as === "away") await close(server);
      else if (!server.listening) await listen(server, port);
      if (as === "well") server.closeAllConnections();
    },
    stop: () => close(server),
  };
};
