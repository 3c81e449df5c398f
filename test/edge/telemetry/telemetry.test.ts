/** The Worker in workerd, with an origin and a collector over real HTTP, and without Redis. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../../src/contract/route.ts";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { type EdgeBundle, type EdgeOptions, startEdge } from "../../../src/local/edge.ts";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../../src/local/telemetry/receiver.ts";
import { bundleEdgeWithRoutes } from "../../support/edge-with-routes.ts";
import { collectResources } from "../../support/resources.ts";
import { attemptsOf, rootsOf, traceIdOfAnswer } from "../../support/traces.ts";
import { startUpstream, type Upstream } from "../../support/upstream.ts";

const base = {
  method: "GET",
  summary: "",
  tag: "Test",
  responses: { 200: { description: "Done" } },
} as const;
const item = defineRoute({
  ...base,
  path: "/items/:id",
  request: { params: z.object({ id: z.string() }), query: z.object({ secret: z.optional(z.string()) }) },
  policy: { auth: "public" },
});
const closed = defineRoute({ ...base, path: "/closed", policy: { auth: { scopes: ["test"] } } });

const stops = new CleanupStack();
let bundle: EdgeBundle;
let origin: Upstream;
let receiver: TelemetryReceiver;

interface Edge {
  readonly lines: () => readonly Readonly<Record<string, unknown>>[];
  ask(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
}

const start = async (environment: EdgeOptions["environment"] = {}): Promise<Edge> => {
  const written: string[] = [];
  const { url, stop } = await startEdge({
    bundle,
    port: 0,
    environment: {
      ORIGINS: origin.url,
      SIGNING_KEYS: `k:${"A".repeat(43)}=`,
      UPSTASH_REDIS_REST_URL: "http://127.0.0.1:9",
      UPSTASH_REDIS_REST_TOKEN: "token",
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_TRACES_SAMPLER_ARG: "1",
      OTEL_METRIC_EXPORT_INTERVAL: "1000",
      ACCESS_LOG: "all",
      ...environment,
    },
    onLine: (line) => void written.push(line),
  });
  stops.add(stop);
  return {
    lines: () =>
      written
        .filter((line) => line.startsWith("{"))
        .map((line): Readonly<Record<string, unknown>> => JSON.parse(line))
        .filter(({ message }) => message === "request"),
    ask: async (path, headers = {}) => {
      const response = await fetch(`${url}${path}`, { headers });
      await response.arrayBuffer();
      return response;
    },
  };
};

let sampled: Edge;
let unsampled: Edge;
let withoutOrigins: Edge;
let withoutAccessLog: Edge;
let withoutCollector: Edge;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-edge-telemetry-"));
  stops.add(() => rm(folder, { recursive: true, force: true }));
  bundle = await bundleEdgeWithRoutes({ routes: edgeRoutes({ item, closed }), folder });
  origin = await startUpstream();
  stops.add(() => origin.stop());
  origin.answer(({ url }) => (url.endsWith("/events") ? { status: 204 } : {}));
  receiver = await startTelemetryReceiver({ port: 0 });
  stops.add(() => receiver.stop());
  [sampled, unsampled, withoutOrigins, withoutAccessLog, withoutCollector] = await Promise.all([
    start({ OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20collector-secret" }),
    start({ OTEL_TRACES_SAMPLER_ARG: "0" }),
    start({ ORIGINS: "http://127.0.0.1:9" }),
    start({ ACCESS_LOG: "false" }),
    start({ OTEL_EXPORTER_OTLP_ENDPOINT: "" }),
  ]);
}, 120_000);
afterAll(() => stops.runAll());
beforeEach(() => {
  before = origin.arrived.length;
});

let before = 0;
/** The requests of this test that reached the origin, without the edge's own. */
const arrivals = () => origin.arrived.slice(before).filter(({ url }) => url.startsWith("/items/"));

/** Waits for a request's server span, which ends last. */
const spansOf = async (response: Response) => {
  const spans = () => receiver.traces.get(traceIdOfAnswer(response))?.spans ?? [];
  await expect.poll(() => rootsOf(spans()).length, { timeout: 15_000 }).toBe(1);
  return { server: rootsOf(spans())[0], attempts: attemptsOf(spans()) };
};

const metricsText = async (): Promise<string> => await (await fetch(`${receiver.url}/metrics`)).text();
const linesOf = async (edge: Edge, response: Response) => {
  const lines = () => edge.lines().filter(({ trace_id: id }) => id === traceIdOfAnswer(response));
  await expect.poll(() => lines().length).toBe(1);
  return lines();
};

describe("a sampled request", () => {
  test("has a server span named by its route, with a child span for each attempt", async () => {
    const response = await sampled.ask("/items/7?secret=1", { "user-agent": "browser-secret" });
    const { server, attempts } = await spansOf(response);
    expect(server).toMatchObject({
      name: "GET /items/:id",
      service: "breakwater-edge",
      status: "unset",
      attributes: {
        "http.request.method": "GET",
        "http.route": "/items/:id",
        "http.response.status_code": 200,
        "breakwater.request_id": response.headers.get("x-request-id"),
      },
    });
    expect(server?.parentSpanId).toBeUndefined();
    expect(attempts).toMatchObject([
      {
        name: "GET",
        parentSpanId: server?.spanId,
        attributes: {
          "http.request.method": "GET",
          "server.address": "127.0.0.1",
          "breakwater.attempt.cause": "first",
          "breakwater.attempt.outcome": "answered",
        },
      },
    ]);
    expect(JSON.stringify(receiver.traces.all())).not.toMatch(/items\/7|secret/);
  });

  test("has a request id that is its trace id as a UUID", async () => {
    const response = await sampled.ask("/items/7");
    const requestId = response.headers.get("x-request-id") ?? "";
    expect(requestId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    await spansOf(response);
  });

  test("sends the id of the attempt's span to the origin", async () => {
    const response = await sampled.ask("/items/7");
    const { attempts } = await spansOf(response);
    expect(arrivals()[0]?.headers).toMatchObject({
      "breakwater-context": expect.stringContaining(`, span="${attempts[0]?.spanId}"`),
      traceparent: `00-${traceIdOfAnswer(response)}-${attempts[0]?.spanId}-01`,
    });
  });

  test("ignores the client's trace context", async () => {
    const foreign = "0af7651916cd43dd8448eb211c80319c";
    const response = await sampled.ask("/items/7", {
      traceparent: `00-${foreign}-b7ad6b7169203331-00`,
      tracestate: "vendor=1",
      baggage: "user=1",
      "breakwater-context": 'client="192.0.2.1", auth=none, timeout-ms=1, attempt=1, span="b7ad6b7169203331"',
    });
    const { server } = await spansOf(response);
    expect(receiver.traces.get(foreign)).toBeUndefined();
    expect(server?.parentSpanId).toBeUndefined();
    const { headers } = arrivals()[0] ?? {};
    expect(headers?.["traceparent"]).not.toContain(foreign);
    expect(headers?.["breakwater-context"]).not.toContain("b7ad6b7169203331");
    expect(headers).not.toHaveProperty("tracestate");
    expect(headers).not.toHaveProperty("baggage");
  });

  test("is an error by its status if the origins are unreachable", async () => {
    const response = await withoutOrigins.ask("/items/7");
    expect(response.status).toBe(503);
    const { server, attempts } = await spansOf(response);
    expect(server).toMatchObject({ status: "error", attributes: { "error.type": "503" } });
    expect(attempts).not.toEqual([]);
    for (const { attributes } of attempts) expect(attributes).toMatchObject({ "error.type": "broken" });
    const [line] = await linesOf(withoutOrigins, response);
    expect(line).toMatchObject({ "http.response.status_code": 503, "error.type": "503" });
  });

  test("has an access line with its route, status and trace", async () => {
    const response = await sampled.ask("/items/7");
    const { server } = await spansOf(response);
    expect(await linesOf(sampled, response)).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        level: "info",
        message: "request",
        "service.name": "breakwater-edge",
        "service.version": expect.any(String),
        "http.request.method": "GET",
        "http.route": "/items/:id",
        "http.response.status_code": 200,
        durationMs: expect.any(Number),
        requestId: response.headers.get("x-request-id"),
        trace_id: traceIdOfAnswer(response),
        span_id: server?.spanId,
        sampled: true,
        attempts: 1,
      },
    ]);
  });
});

describe("a request that is not sampled", () => {
  test("has no span, and sends no span id to the origin", async () => {
    const response = await unsampled.ask("/items/7");
    expect(arrivals()[0]?.headers).not.toHaveProperty("traceparent");
    expect(arrivals()[0]?.headers["breakwater-context"]).not.toContain("span=");
    const [line] = await linesOf(unsampled, response);
    expect(line).toMatchObject({ sampled: false });
    expect(line).not.toHaveProperty("span_id");
    // The trace of a later request has arrived by then.
    await spansOf(await sampled.ask("/items/7"));
    expect(receiver.traces.get(traceIdOfAnswer(response))).toBeUndefined();
  });

  test("is measured", async () => {
    await unsampled.ask("/closed");
    await expect
      .poll(metricsText, { timeout: 15_000 })
      .toMatch(
        /^http_server_request_duration_seconds_count\{service_version="[\d.]+"[^}]*http_route="\/closed"[^}]*\} [1-9]\d*$/m,
      );
    expect(await metricsText()).toMatch(/^edge_attempts_total\{[^}]*outcome="answered"[^}]*\} [1-9]\d*$/m);
  });
});

/** What the platform binds as `version_metadata`. */
const CF_VERSION_METADATA = { id: "version-7", tag: "", timestamp: "2026-01-02T03:04:05.678Z" };

test.for([
  ["the uploaded version", { CF_VERSION_METADATA }, "version-7"],
  ["SERVICE_VERSION, if it is set", { CF_VERSION_METADATA, SERVICE_VERSION: "8" }, "8"],
] as const)("spans, metrics and lines name %s", async ([, environment, version]) => {
  const collector = await collectResources();
  onTestFinished(collector.stop);
  const edge = await start({ ...environment, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  const response = await edge.ask("/items/7");
  for (const signal of ["resourceSpans", "resourceMetrics"])
    await expect
      .poll(() => collector.received.find((each) => each.startsWith(signal)), { timeout: 15_000 })
      .toContain(` service.version=${version}`);
  expect(await linesOf(edge, response)).toMatchObject([{ "service.version": version }]);
});

test("ACCESS_LOG=false writes no access line", async () => {
  await spansOf(await withoutAccessLog.ask("/items/7"));
  expect(withoutAccessLog.lines()).toEqual([]);
});

test("spans, metrics and lines have the attributes of OTEL_RESOURCE_ATTRIBUTES", async () => {
  const collector = await collectResources();
  onTestFinished(collector.stop);
  const edge = await start({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_RESOURCE_ATTRIBUTES: "team=shop%2Cweb,service.name=web",
  });
  const response = await edge.ask("/items/7");
  const received = (signal: string) => collector.received.find((each) => each.startsWith(signal));
  for (const signal of ["resourceSpans", "resourceMetrics"]) {
    await expect
      .poll(() => received(signal), { timeout: 15_000 })
      .toMatch(/ service\.name=web .*team=shop,web/);
  }
  // One resource for all spans of an export.
  expect(collector.received.filter((each) => each.startsWith("resourceSpans"))).toHaveLength(1);
  expect(await linesOf(edge, response)).toMatchObject([{ "service.name": "web", team: "shop,web" }]);
});

test("without a collector nothing is recorded", async () => {
  const response = await withoutCollector.ask("/items/7");
  expect(response.status).toBe(200);
  expect(arrivals()).toHaveLength(1);
  expect(arrivals()[0]?.headers).not.toHaveProperty("traceparent");
  expect(await linesOf(withoutCollector, response)).toMatchObject([{ sampled: false }]);
});

test("the collector's secret is in no telemetry and in no request to the origin", async () => {
  const response = await sampled.ask("/items/7");
  await spansOf(response);
  const lines = JSON.stringify(await linesOf(sampled, response));
  const all = [JSON.stringify(receiver.traces.all()), await metricsText(), lines].join("\n");
  expect(all).not.toContain("collector-secret");
  for (const { headers } of arrivals()) expect(JSON.stringify(headers)).not.toContain("collector-secret");
});
