/**
 * Receives the telemetry of both tiers, stores the latest of it in memory and shows it: an OpenTelemetry
 * collector, a trace viewer and Prometheus's OTLP receiver for a developer's machine.
 */
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { methodNotAllowed } from "hono/method-not-allowed";
import { secureHeaders } from "hono/secure-headers";
import * as z from "zod/mini";
import { type LocalServer, serveLocally } from "../http-server.ts";
import { createMetricStore, type MetricStore } from "./metrics.ts";
import { type LogRecord, logsRequest, metricsRequest, traceRequest } from "./otlp.ts";
import { page, STYLE, tracePage, tracesPage } from "./pages.ts";
import { createTraceStore, type Trace, type TraceStore, traceJson, traceSummary } from "./traces.ts";

export interface Stores {
  readonly traces: TraceStore;
  readonly metrics: MetricStore;
  /** The newest first. */
  readonly logs: LogRecord[];
}

export interface TelemetryReceiver extends LocalServer, Stores {}

const MAX_BODY_BYTES = 4 * 1024 * 1024;
const MAX_LOG_RECORDS = 1_000;

/**
 * Receives `POST /v1/traces`, `/v1/metrics` and `/v1/logs` (OTLP over HTTP as JSON, not compressed), at most
 * 4 MiB each. Responds as OTLP specifies: 200; 400 for a malformed body, 413, 415.
 *
 * Serves `/traces` (recent traces) and `/traces/ID`, both also as `.json` (`/traces.json`), `/logs.json` and
 * `/metrics` (Prometheus's text format).
 *
 * @param options.port 0 takes a free one; the standard port is 4318
 * @param options.more other routes, behind the same guards @default none
 * @throws if the port is taken
 */
export async function startTelemetryReceiver(options: {
  readonly port: number;
  readonly more?: Hono;
}): Promise<TelemetryReceiver> {
  const stores: Stores = { traces: createTraceStore(), metrics: createMetricStore(), logs: [] };
  const app = createReceiverApp(stores, options.more);
  return { ...(await serveLocally(app.fetch, options.port)), ...stores };
}

export const createReceiverApp = ({ traces, metrics, logs }: Stores, more = new Hono()): Hono => {
  const app = new Hono();
  app.use(requireLocalName, methodNotAllowed({ app }));
  const headersFor = (policy: Readonly<Record<string, string[]>>) =>
    secureHeaders({
      strictTransportSecurity: false,
      contentSecurityPolicy: { defaultSrc: ["'none'"], ...policy, frameAncestors: ["'none'"] },
    });
  const headers = headersFor({ styleSrc: ["'self'"] });
  const [own, image] = [["'self'"], ["data:"]];
  const headersOfPage = headersFor({ scriptSrc: own, styleSrc: own, connectSrc: own, imgSrc: image });
  app.use((c, next) => (c.req.path === "/" ? headersOfPage : headers)(c, next));
  app.use("/v1/*", bodyLimit({ maxSize: MAX_BODY_BYTES }));

  app.post("/v1/traces", async (c) => {
    traces.add(await readExport(c, traceRequest));
    return c.json({});
  });
  app.post("/v1/metrics", async (c) => {
    for (const metric of await readExport(c, metricsRequest)) metrics.record(metric);
    return c.json({});
  });
  app.post("/v1/logs", async (c) => {
    logs.unshift(...(await readExport(c, logsRequest)).slice(-MAX_LOG_RECORDS).reverse());
    logs.splice(MAX_LOG_RECORDS);
    return c.json({});
  });

  const summaries = () =>
    traces
      .all()
      .map(traceSummary)
      .sort((one, other) => (one.startedAt < other.startedAt ? 1 : -1));
  app.route("/", more);
  app.get("/", (c) => c.redirect("/traces"));
  app.get("/traces", (c) => c.html(tracesPage(summaries())));
  app.get("/style.css", (c) => c.body(STYLE, 200, { "content-type": "text/css" }));
  app.get("/traces.json", (c) => c.json({ traces: summaries() }));
  app.get("/traces/:id{.+\\.json}", (c) =>
    c.json(traceJson(findTrace(traces, c.req.param("id").slice(0, -".json".length)))),
  );
  app.get("/traces/:id", (c) => c.html(tracePage(findTrace(traces, c.req.param("id")))));
  app.get("/logs.json", (c) => c.json({ logs }));
  app.get("/metrics", (c) =>
    c.body(metrics.text(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }),
  );

  app.notFound((c) => failure(c, 404, "Not found"));
  app.onError((error, c) => {
    if (!(error instanceof HTTPException)) return failure(c, 500, error.message);
    return error.res ?? failure(c, error.status, error.message);
  });
  return app;
};

/** JSON as OTLP specifies it (a `google.rpc.Status`), or a page. */
const failure = (c: Context, status: HTTPException["status"], message: string) =>
  c.req.method !== "GET" || c.req.path.endsWith(".json")
    ? c.json({ message }, status)
    : c.html(page(message, ""), status);

/** Rejects other host names: by DNS rebinding another site's page could read everything. */
const requireLocalName = async (c: Context, next: () => Promise<void>): Promise<void> => {
  if (!/^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i.test(c.req.header("host") ?? "")) {
    throw new HTTPException(421, { message: "Use the name 127.0.0.1 or localhost." });
  }
  await next();
};

/** @throws HTTPException with the position of the error */
const readExport = async <T extends z.ZodMiniType>(c: Context, schema: T): Promise<z.output<T>> => {
  // A page of another site cannot send this type without a CORS preflight.
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json" || c.req.header("content-encoding") !== undefined) {
    const message = "send OTLP as application/json (OTEL_EXPORTER_OTLP_PROTOCOL=http/json), not compressed";
    throw new HTTPException(415, { message });
  }
  const result = schema.safeParse(parse(await c.req.text()), { error: z.locales.en().localeError });
  if (result.success) return result.data;
  throw new HTTPException(400, { message: z.prettifyError(result.error) });
};

/** In OTLP, null equals an absent field. @throws HTTPException */
const parse = (text: string): unknown => {
  try {
    return JSON.parse(text, (_, value: unknown) => value ?? undefined);
  } catch (error) {
    throw new HTTPException(400, { message: `the body is not JSON: ${String(error)}` });
  }
};

/** @param id a trace id, a request id (with hyphens), or at least their first 8 digits, as in log lines */
const findTrace = (traces: TraceStore, id: string): Trace => {
  const digits = id.replaceAll("-", "").toLowerCase();
  const trace =
    digits.length < 8 ? undefined : traces.all().find(({ traceId }) => traceId.startsWith(digits));
  if (trace !== undefined) return trace;
  const reasons = "not sampled, not received yet (spans arrive some seconds late), or replaced by newer ones";
  throw new HTTPException(404, { message: `No trace ${id}: ${reasons}.` });
};
