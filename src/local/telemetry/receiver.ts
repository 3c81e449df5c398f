/**
 * Receives what both tiers tell of themselves, keeps the last of it in memory, and shows it: what an OpenTelemetry
 * collector, a trace viewer and Prometheus' own receiver are elsewhere.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { type Answer, jsonRefusal, RefusedRequest } from "./answer.ts";
import { ingest, type Stores } from "./ingest.ts";
import { createLogStore, type LogStore } from "./log-store.ts";
import { createMetricStore, type MetricStore } from "./metric-store.ts";
import { refusalPage } from "./page.ts";
import { createReceiverCounts, SIGNALS, type Signal } from "./receiver-counts.ts";
import { readBody } from "./request-body.ts";
import { createTraceStore, type TraceStore } from "./trace-store.ts";
import { viewOf } from "./views.ts";

/** How long requests under way may take once the receiver stops. */
const drainMs = 1_000;
/** How long a whole request may take to arrive. */
const requestTimeoutMs = 10_000;
/** Each may hold a body of 4 MiB. */
const maxConnections = 128;

export interface TelemetryReceiverOptions {
  /** 0 takes a free one. OTLP over HTTP has 4318. */
  readonly port: number;
  /** @default "127.0.0.1" */
  readonly host?: string;
  /** Gives the start up; what has started stays until `stop`. */
  readonly signal?: AbortSignal;
}

export interface TelemetryReceiver {
  /** `http://127.0.0.1:PORT`: the base address for OTEL_EXPORTER_OTLP_ENDPOINT, and of the pages. */
  readonly url: string;
  readonly traces: TraceStore;
  readonly metrics: MetricStore;
  readonly logs: LogStore;
  /** Ends requests under way within 1 s. May be called again. */
  stop(): Promise<void>;
}

/**
 * Takes `POST /v1/traces`, `/v1/metrics` and `/v1/logs` (OTLP over HTTP as JSON, gzip or not), at most 4 MiB each, and
 * answers as OTLP has it: 200 with what was not taken in `partialSuccess`; 400 for what has another shape, 413, 415.
 *
 * Serves `/` (recent traces; `?route=`, `?status=`, `?min_ms=`), `/traces/ID`, both as `.json` too (`/traces.json`),
 * `/logs.json` and `/metrics` (Prometheus' text format).
 *
 * @throws when the port is taken
 */
export async function startTelemetryReceiver(options: TelemetryReceiverOptions): Promise<TelemetryReceiver> {
  const { port, host = "127.0.0.1", signal } = options;
  signal?.throwIfAborted();
  const stores: Stores = {
    traces: createTraceStore(),
    metrics: createMetricStore(),
    logs: createLogStore(),
    counts: createReceiverCounts(),
  };
  const server = createServer((request, response) => {
    void answerTo(request, stores).then((answer) => respond(response, answer));
  });
  server.requestTimeout = requestTimeoutMs;
  server.maxConnections = maxConnections;
  server.listen({ host, port });
  await once(server, "listening");
  const address = server.address();
  const actualPort = typeof address === "object" && address !== null ? address.port : port;
  const { traces, metrics, logs } = stores;
  const stop = (): Promise<void> => stopServer(server);
  if (signal?.aborted) {
    await stop();
    signal.throwIfAborted();
  }
  const authority = host.includes(":") ? `[${host}]` : host;
  return { url: `http://${authority}:${actualPort}`, traces, metrics, logs, stop };
}

const signalOf = (path: string): Signal | undefined => SIGNALS.find((signal) => path === `/v1/${signal}`);

async function answerTo(request: IncomingMessage, stores: Stores): Promise<Answer> {
  const [path = "/", ...query] = (request.url ?? "/").split("?");
  const signal = signalOf(path);
  try {
    requireLocalName(request);
    if (signal !== undefined) {
      requireMethod(request, ["POST"]);
      return ingest(signal, await readBody(request), stores);
    }
    requireMethod(request, ["GET", "HEAD"]);
    return viewOf(path, new URLSearchParams(query.join("?")), stores);
  } catch (error) {
    const refusal = error instanceof RefusedRequest ? error : new RefusedRequest(500, String(error));
    if (signal !== undefined) stores.counts.refused(signal);
    return signal !== undefined || path.endsWith(".json") ? jsonRefusal(refusal) : refusalPage(refusal);
  }
}

function requireMethod({ method = "" }: IncomingMessage, allowed: readonly string[]): void {
  if (allowed.includes(method)) return;
  const allow = allowed.join(", ");
  throw new RefusedRequest(405, `Here only ${allow} can be used.`, { allow });
}

const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const LOCAL_NAME = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i;

/**
 * What came to this machine's own address has to have asked for it by name: a page from elsewhere whose name has been
 * made to lead here (DNS rebinding) could read everything else.
 */
function requireLocalName({ headers: { host = "" }, socket }: IncomingMessage): void {
  if (!LOOPBACK.test(socket.localAddress ?? "") || LOCAL_NAME.test(host)) return;
  throw new RefusedRequest(421, "Here it is 127.0.0.1 or localhost.");
}

function respond(response: ServerResponse, { status, headers, body }: Answer): void {
  // What was not read of the request would be taken for the next one.
  if (!response.req.complete) response.setHeader("connection", "close");
  const always = { "x-content-type-options": "nosniff", "cache-control": "no-store" };
  response.writeHead(status, { ...always, ...headers }).end(body);
}

async function stopServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  const timer = new AbortController();
  const timeout = pause(drainMs, undefined, { signal: timer.signal }).catch(() => {});
  await Promise.race([closed, timeout]);
  timer.abort();
  server.closeAllConnections();
  await closed;
}
