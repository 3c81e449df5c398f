/** What an isolate tells of itself, with an origin and a collector over real HTTP. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../../src/contract/route.ts";
import { createEdge } from "../../../src/edge/app.ts";
import { readEdgeConfig } from "../../../src/edge/config.ts";
import { createEdgeTelemetry } from "../../../src/edge/telemetry/telemetry.ts";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../../src/local/telemetry/receiver.ts";
import { traceIdOf } from "../../../src/telemetry/trace-context.ts";
import { askEdge, type Edge } from "../../support/ask-edge.ts";
import { createMemoryStore } from "../../support/memory-store.ts";
import { noRedis } from "../../support/no-redis.ts";
import { startUpstream, type Upstream } from "../../support/upstream.ts";

const item = defineRoute({
  method: "GET",
  path: "/items/:id",
  summary: "One of them",
  tag: "Test",
  request: { params: z.object({ id: z.string() }) },
  responses: { 200: { description: "Done" } },
  policy: { auth: "public" },
});

const closed = defineRoute({
  method: "GET",
  path: "/closed",
  summary: "Needs a key",
  tag: "Test",
  responses: { 200: { description: "Done" } },
  policy: { auth: { scopes: ["test"] } },
});

let origin: Upstream;
let receiver: TelemetryReceiver;

beforeEach(async () => {
  origin = await startUpstream();
  // What it is told of security events it takes.
  origin.answer(({ url }) => (url.endsWith("/events") ? { status: 204 } : {}));
  receiver = await startTelemetryReceiver({ port: 0 });
});
afterEach(async () => {
  await origin.stop();
  await receiver.stop();
});

interface Isolate {
  readonly edge: Edge;
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  readonly written: readonly string[];
  /** Where it has sent requests to. */
  readonly asked: readonly string[];
  ask(target: string, init?: RequestInit): Promise<Response>;
  /** Resolves when nothing goes on behind the answers. */
  settled(): Promise<void>;
}

const start = (environment: Readonly<Record<string, string>> = {}): Isolate => {
  const reading = readEdgeConfig({
    ORIGINS: origin.url,
    SIGNING_KEYS: `k:${"A".repeat(43)}=`,
    UPSTASH_REDIS_REST_URL: "http://127.0.0.1:9",
    UPSTASH_REDIS_REST_TOKEN: "token",
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_TRACES_SAMPLER_ARG: "1",
    ACCESS_LOG: "all",
    ...environment,
  });
  if (!reading.ok) throw new Error(reading.message);
  const written: string[] = [];
  const asked: string[] = [];
  const background: Promise<unknown>[] = [];
  const surroundings = {
    config: reading.value,
    fetch: (input: string | URL | Request, init?: RequestInit) => {
      asked.push(String(input));
      return fetch(input, init);
    },
    now: () => Date.now(),
    random: () => Math.random(),
  };
  const edge = createEdge({
    ...surroundings,
    routes: edgeRoutes({ item, closed }),
    redis: noRedis,
    store: createMemoryStore(),
    log: () => undefined,
    telemetry: createEdgeTelemetry({ ...surroundings, writeLine: (line) => void written.push(line) }),
  });
  return {
    edge,
    written,
    asked,
    get lines() {
      return written.map((line): Readonly<Record<string, unknown>> => JSON.parse(line));
    },
    ask: (target, init) =>
      askEdge(edge, new Request(new URL(target, "http://api.test"), init), undefined, background),
    settled: async () => {
      for (let seen = 0; seen < background.length; ) {
        seen = background.length;
        await Promise.all(background);
      }
    },
  };
};

const requestIdOf = (response: Response): string => response.headers.get("x-request-id") ?? "";

const spansOf = (response: Response) => {
  const spans = receiver.traces.get(traceIdOf(requestIdOf(response)))?.spans ?? [];
  return {
    count: spans.length,
    server: spans.find(({ kind }) => kind === "server"),
    client: spans.find(({ kind }) => kind === "client"),
  };
};

const metricsText = async (): Promise<string> => await (await fetch(`${receiver.url}/metrics`)).text();

describe("a request whose trace is kept", () => {
  test("is a span by its route, with each attempt at an origin below it", async () => {
    const isolate = start();
    const response = await isolate.ask("/items/7?secret=1");
    await isolate.settled();
    const { count, server, client } = spansOf(response);
    expect(count).toBe(2);
    expect(server).toMatchObject({
      name: "GET /items/:id",
      service: "breakwater-edge",
      attributes: {
        "http.request.method": "GET",
        "http.route": "/items/:id",
        "http.response.status_code": 200,
        "breakwater.request_id": requestIdOf(response),
      },
    });
    expect(server?.parentSpanId).toBeUndefined();
    expect(client).toMatchObject({
      name: "GET",
      parentSpanId: server?.spanId,
      attributes: { "breakwater.attempt.cause": "first", "breakwater.attempt.outcome": "answered" },
    });
    expect(JSON.stringify(receiver.traces.all())).not.toMatch(/items\/7|secret/);
  });

  test("tells the origin which span is its parent, and what stands between them the same", async () => {
    const isolate = start();
    const response = await isolate.ask("/items/7");
    await isolate.settled();
    const { client } = spansOf(response);
    const traceId = traceIdOf(requestIdOf(response));
    expect(origin.arrived[0]?.headers).toMatchObject({
      "breakwater-context": expect.stringContaining(`, span="${client?.spanId}"`),
      traceparent: `00-${traceId}-${client?.spanId}-01`,
    });
  });

  test("has nothing of what its client says of traces", async () => {
    const isolate = start();
    const theirs = "0af7651916cd43dd8448eb211c80319c";
    const response = await isolate.ask("/items/7", {
      headers: {
        traceparent: `00-${theirs}-b7ad6b7169203331-01`,
        tracestate: "vendor=1",
        baggage: "user=1",
        "breakwater-context":
          'client="192.0.2.1", auth=none, timeout-ms=1, attempt=1, span="b7ad6b7169203331"',
      },
    });
    await isolate.settled();
    expect(receiver.traces.get(theirs)).toBeUndefined();
    expect(spansOf(response).server?.parentSpanId).toBeUndefined();
    const { headers } = origin.arrived[0] ?? {};
    expect(headers?.["traceparent"]).not.toContain(theirs);
    expect(headers?.["breakwater-context"]).not.toContain("b7ad6b7169203331");
    expect(headers).not.toHaveProperty("tracestate");
    expect(headers).not.toHaveProperty("baggage");
  });

  test("that a guard refuses says which, and is no error of the server's", async () => {
    const isolate = start();
    const response = await isolate.ask("/closed");
    await isolate.settled();
    expect(response.status).toBe(401);
    expect(spansOf(response).server).toMatchObject({
      name: "GET /closed",
      status: "unset",
      attributes: { "breakwater.guard": "authentication", "http.response.status_code": 401 },
    });
  });

  test("that no route fits is called by its method, and its path is nowhere", async () => {
    const isolate = start();
    const response = await isolate.ask("/made-up-by-a-client");
    await isolate.settled();
    expect(spansOf(response).server?.name).toBe("GET");
    const all = [JSON.stringify(receiver.traces.all()), await metricsText(), ...isolate.written].join("\n");
    expect(all).not.toContain("made-up");
  });

  test("whose origin is away is an error, by the status of its answer", async () => {
    const isolate = start();
    await origin.stop();
    const response = await isolate.ask("/items/7");
    await isolate.settled();
    const { server, client } = spansOf(response);
    expect(server).toMatchObject({ status: "error", attributes: { "error.type": "503" } });
    expect(client).toMatchObject({ status: "error", attributes: { "error.type": "broken" } });
    expect(isolate.lines[0]).toMatchObject({ "http.response.status_code": 503, "error.type": "503" });
  });
});

describe("a request whose trace is not kept", () => {
  test("leaves no span, and the origin is told of none", async () => {
    const isolate = start({ OTEL_TRACES_SAMPLER_ARG: "0" });
    await isolate.ask("/items/7");
    await isolate.settled();
    expect(receiver.traces.all()).toEqual([]);
    expect(origin.arrived[0]?.headers).not.toHaveProperty("traceparent");
    expect(origin.arrived[0]?.headers["breakwater-context"]).not.toContain("span=");
  });

  test("is measured all the same", async () => {
    const isolate = start({ OTEL_TRACES_SAMPLER_ARG: "0" });
    await isolate.ask("/items/7");
    await isolate.settled();
    const text = await metricsText();
    expect(text).toMatch(
      /^http_server_request_duration_seconds_count\{[^}]*http_route="\/items\/:id"[^}]*\} 1$/m,
    );
    expect(text).toMatch(/^edge_attempts_total\{[^}]*outcome="answered"[^}]*\} 1$/m);
  });
});

describe("the line of a request", () => {
  test("tells what it was, what became of it, and its trace", async () => {
    const isolate = start();
    const response = await isolate.ask("/items/7");
    await isolate.settled();
    const requestId = requestIdOf(response);
    expect(isolate.lines).toEqual([
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
        requestId,
        trace_id: traceIdOf(requestId),
        span_id: spansOf(response).server?.spanId,
        sampled: true,
        attempts: 1,
      },
    ]);
  });

  test("has no route where none fits, and no span where its trace is not kept", async () => {
    const isolate = start({ OTEL_TRACES_SAMPLER_ARG: "0" });
    await isolate.ask("/nowhere");
    const [line] = isolate.lines;
    expect(line).toMatchObject({ sampled: false, "http.response.status_code": 404, attempts: 0 });
    expect(line).not.toHaveProperty("http.route");
    expect(line).not.toHaveProperty("span_id");
  });

  test("is not written where nobody wants it", async () => {
    const isolate = start({ ACCESS_LOG: "false" });
    await isolate.ask("/items/7");
    await isolate.settled();
    expect(isolate.written).toEqual([]);
  });
});

describe("where no collector is named", () => {
  test("nothing is recorded, and nobody is asked but the origin", async () => {
    const isolate = start({ OTEL_EXPORTER_OTLP_ENDPOINT: "" });
    const response = await isolate.ask("/items/7");
    await isolate.settled();
    expect(response.status).toBe(200);
    expect(isolate.asked).toEqual([`${origin.url}/items/7`]);
    expect(origin.arrived[0]?.headers).not.toHaveProperty("traceparent");
    expect(isolate.lines).toMatchObject([{ message: "request", sampled: false }]);
  });
});

describe("a collector", () => {
  test("that hangs holds up no answer", async () => {
    const hanging = await startUpstream();
    hanging.answer(() => undefined);
    const isolate = start({ OTEL_EXPORTER_OTLP_ENDPOINT: hanging.url });
    const first = await isolate.ask("/items/7");
    await expect.poll(() => hanging.arrived.length, { timeout: 10_000 }).toBeGreaterThan(0);
    const second = await isolate.ask("/items/7");
    expect([first.status, second.status]).toEqual([200, 200]);
    await hanging.stop();
  });

  test("gets what it knows the edge by, and nothing that the edge writes has it", async () => {
    const isolate = start({ OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20collector-secret" });
    const response = await isolate.ask("/items/7");
    await isolate.settled();
    expect(spansOf(response).count).toBe(2);
    const all = [JSON.stringify(receiver.traces.all()), await metricsText(), ...isolate.written].join("\n");
    expect(all).not.toContain("collector-secret");
    for (const { headers } of origin.arrived)
      expect(JSON.stringify(headers)).not.toContain("collector-secret");
  });
});
