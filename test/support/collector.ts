/** An OpenTelemetry collector of a test's own: it keeps whatever it is sent, and behaves as it is told to. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { ingest, type Stores } from "../../src/local/telemetry/ingest.ts";
import { createLogStore } from "../../src/local/telemetry/log-store.ts";
import { createMetricStore } from "../../src/local/telemetry/metric-store.ts";
import type { Span } from "../../src/local/telemetry/otlp-spans.ts";
import { createReceiverCounts, SIGNALS } from "../../src/local/telemetry/receiver-counts.ts";
import { readBody } from "../../src/local/telemetry/request-body.ts";
import { createTraceStore } from "../../src/local/telemetry/trace-store.ts";

/** `hangs`: takes requests, and answers none. `cuts`: ends the connection. `away`: nobody listens at its port. */
export type Behaviour = "well" | "hangs" | "fails" | "cuts" | "away";

export interface Collector extends Pick<Stores, "traces" | "metrics"> {
  /** Its base address, for OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  /** Everything that it has taken, as it was sent. */
  readonly bodies: readonly string[];
  /** How many requests have come so far, whatever became of them. */
  readonly asked: number;
  spans(): readonly Span[];
  /** From now on. Whoever it lets hang is cut. */
  behave(as: Behaviour): Promise<void>;
  stop(): Promise<void>;
}

/** More than any test sends. */
const MANY = { maxTraces: 50_000, maxCharacters: 512 * 1024 * 1024 };

export const startCollector = async (): Promise<Collector> => {
  const stores: Stores = {
    traces: createTraceStore(MANY),
    metrics: createMetricStore(),
    logs: createLogStore(),
    counts: createReceiverCounts(),
  };
  const bodies: string[] = [];
  let behaviour: Behaviour = "well";
  let asked = 0;

  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const signal = SIGNALS.find((each) => request.url === `/v1/${each}`);
    const text = await readBody(request);
    if (signal === undefined) {
      response.writeHead(404).end();
      return;
    }
    const { status, headers, body } = ingest(signal, text, stores);
    bodies.push(text);
    response.writeHead(status, headers).end(body);
  };

  const server = createServer((request, response) => {
    asked += 1;
    switch (behaviour) {
      case "well":
        take(request, response).catch((error: unknown) => response.writeHead(400).end(String(error)));
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
  const listen = async (port: number): Promise<void> => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  };
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  };
  await listen(0);
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  const { port } = address;

  return {
    url: `http://127.0.0.1:${port}`,
    traces: stores.traces,
    metrics: stores.metrics,
    bodies,
    get asked() {
      return asked;
    },
    spans: () => stores.traces.all().flatMap(({ spans }) => spans),
    behave: async (as) => {
      behaviour = as;
      if (as === "away") await close();
      else if (!server.listening) await listen(port);
      if (as === "well") server.closeAllConnections();
    },
    stop: close,
  };
};
