/**
 * Receives the telemetry of both tiers, stores the latest of it in memory and shows it. On a developer's machine it does
 * the work of an OpenTelemetry collector, a trace viewer and Prometheus's OTLP receiver.
 */
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { methodNotAllowed } from "hono/method-not-allowed";
import { secureHeaders } from "hono/secure-headers";
import * as z from "zod/mini";
import { type LocalServer, serveLocally } from "../http-server.ts";
import { createMetricStore, type MetricStore } from "./metric-store.ts";
import { logsRequest, metricsRequest, traceRequest } from "./otlp.ts";
import { page, STYLE, tracePage, tracesPage } from "./pages.ts";
import { EXPOSITION_TYPE, expositionText } from "./prometheus.ts";
import { createLogStore, createTraceStore, type LogStore, type Trace, type TraceStore } from "./stores.ts";
import { traceJson, traceSummary } from "./trace-view.ts";

export interface Stores {
  readonly traces: TraceStore;
  readonly metrics: MetricStore;
  readonly logs: LogStore;
}

export interface TelemetryReceiver extends LocalServer, Stores {}

/** Bytes of a body, as sent and again when decompressed. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * Receives `POST /v1/traces`, `/v1/metrics` and `/v1/logs` (OTLP over HTTP as JSON, also with gzip), at most 4 MiB each.
 * Responds as OTLP specifies: 200, with rejected items in `partialSuccess`; 400 for a malformed body, 413, 415.
 *
 * Serves `/` (recent traces) and `/traces/ID`, both also as `.json` (`/traces.json`), `/logs.json` and `/metrics`
 * (Prometheus's text format).
 *
 * @param options.port 0 takes a free one; the standard port is 4318
 * @param options.signal cancels the start, not a receiver that has started
 * @throws if the port is taken
 */
export async function startTelemetryReceiver(options: {
  readonly port: number;
  readonly signal?: AbortSignal;
}): Promise<TelemetryReceiver> {
  const { port, signal } = options;
  signal?.throwIfAborted();
  const stores = { traces: createTraceStore(), metrics: createMetricStore(), logs: createLogStore() };
  const server = await serveLocally(createReceiverApp(stores).fetch, port, {
    requestTimeout: REQUEST_TIMEOUT_MS,
  });
  if (signal?.aborted) await server.stop();
  signal?.throwIfAborted();
  return { ...server, ...stores };
}

export const createReceiverApp = (stores: Stores): Hono => {
  const { traces, metrics, logs } = stores;
  const app = new Hono();
  app.use(requireLocalName, methodNotAllowed({ app }));
  app.use(
    secureHeaders({
      strictTransportSecurity: false,
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        styleSrc: ["'self'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
      },
    }),
  );
  app.use(async (c, next) => {
    await next();
    c.header("cache-control", "no-store");
  });
  app.use("/v1/*", bodyLimit({ maxSize: MAX_BODY_BYTES, onError: tooLarge }));

  app.post("/v1/traces", async (c) => {
    const spans = await readExport(c, traceRequest);
    const rejected = spans.filter((span) => !traces.add(span));
    return partialSuccess(
      c,
      "rejectedSpans",
      rejected.map(() => "the trace is full"),
    );
  });
  app.post("/v1/metrics", async (c) => {
    const reasons = (await readExport(c, metricsRequest)).map((point) => metrics.record(point));
    return partialSuccess(
      c,
      "rejectedDataPoints",
      reasons.filter((reason) => reason !== undefined),
    );
  });
  app.post("/v1/logs", async (c) => {
    for (const record of await readExport(c, logsRequest)) logs.add(record);
    return c.json({});
  });

  const summaries = () =>
    traces
      .all()
      .map(traceSummary)
      .sort((one, other) => Date.parse(other.startedAt) - Date.parse(one.startedAt));
  app.get("/", (c) => c.html(tracesPage(summaries())));
  app.get("/style.css", (c) => c.body(STYLE, 200, { "content-type": "text/css" }));
  app.get("/traces.json", (c) => c.json({ traces: summaries() }));
  app.get("/traces/:id{.+\\.json}", (c) =>
    c.json(traceJson(findTrace(traces, c.req.param("id").slice(0, -5)))),
  );
  app.get("/traces/:id", (c) => c.html(tracePage(findTrace(traces, c.req.param("id")))));
  app.get("/logs.json", (c) => {
    const time = (ms: number): string => new Date(ms).toISOString();
    return c.json({
      logs: logs
        .all()
        .toReversed()
        .map(({ timeMs, ...record }) => ({ time: time(timeMs), ...record })),
    });
  });
  app.get("/metrics", (c) =>
    c.body(expositionText(metrics.families()), 200, { "content-type": EXPOSITION_TYPE }),
  );

  app.notFound((c) => failure(c, 404, "Not found"));
  app.onError((error, c) => failure(c, error instanceof HTTPException ? error.status : 500, error.message));
  return app;
};

/** JSON as OTLP specifies it (a `google.rpc.Status`), or a page. */
const failure = (
  c: Context,
  status: HTTPException["status"],
  message: string,
): Response | Promise<Response> =>
  c.req.path.startsWith("/v1/") || c.req.path.endsWith(".json")
    ? c.json({ message }, status)
    : c.html(page(message, ""), status);

/** Rejects the names of other sites: a name rebound to this machine could read everything. */
const requireLocalName = async (c: Context, next: () => Promise<void>): Promise<void> => {
  if (!/^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i.test(c.req.header("host") ?? "")) {
    throw new HTTPException(421, { message: "Use the name 127.0.0.1 or localhost." });
  }
  await next();
};

const tooLarge = (): never => {
  throw new HTTPException(413, {
    message: `the body has more than ${MAX_BODY_BYTES} bytes: send smaller batches`,
  });
};

/** @throws HTTPException with the position of the error */
const readExport = async <T extends z.ZodMiniType>(c: Context, schema: T): Promise<z.output<T>> => {
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    const message = `send OTLP as application/json (OTEL_EXPORTER_OTLP_PROTOCOL=http/json), not ${type ?? "untyped"}`;
    throw new HTTPException(415, { message });
  }
  const result = schema.safeParse(parseJson(await readText(c)), { error: z.locales.en().localeError });
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = z.core.toDotPath(issue?.path ?? []);
  throw new HTTPException(400, { message: `${path === "" ? "the body" : path}: ${issue?.message}` });
};

const readText = async (c: Context): Promise<string> => {
  const encoding = c.req.header("content-encoding") ?? "identity";
  if (encoding === "identity") return await c.req.text();
  if (encoding !== "gzip") throw new HTTPException(415, { message: "the only content-encoding is gzip" });
  try {
    const bytes = await promisify(gunzip)(await c.req.arrayBuffer(), { maxOutputLength: MAX_BODY_BYTES });
    return bytes.toString("utf8");
  } catch (error) {
    if (error instanceof RangeError) return tooLarge();
    throw new HTTPException(400, { message: "the body is not gzip, contrary to its content-encoding" });
  }
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HTTPException(400, { message: `the body is not JSON: ${String(error)}` });
  }
};

/** @param reasons one per rejected item (OTLP/HTTP, "Partial Success") */
const partialSuccess = (c: Context, field: string, reasons: readonly string[]): Response => {
  if (reasons.length === 0) return c.json({});
  const errorMessage = [...new Set(reasons)].slice(0, 5).join("; ");
  return c.json({ partialSuccess: { [field]: String(reasons.length), errorMessage } });
};

/** @param id a trace id, a request id (with hyphens), or at least the first 8 digits: log lines show these */
const findTrace = (traces: TraceStore, id: string): Trace => {
  const digits = id.replaceAll("-", "").toLowerCase();
  const trace =
    digits.length < 8 ? undefined : traces.all().findLast(({ traceId }) => traceId.startsWith(digits));
  if (trace !== undefined) return trace;
  const message = `No trace ${id}: not sampled, not received yet (spans arrive some seconds after the response), or replaced by newer ones.`;
  throw new HTTPException(404, { message });
};
