/** Spans of a process, with a collector over real HTTP. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import { afterEach, describe, expect, test, vi } from "vitest";
import { readSpanId } from "../../../src/core/telemetry/trace-context.ts";
import { createLog } from "../../../src/origin/log.ts";
import { type BegunRequest, createTracing, type Tracing } from "../../../src/origin/telemetry/tracing.ts";
import { isLong } from "../../support/runtime.ts";

const TRACE_ID = "0190a0b412344abc8def0123456789ab";
const PARENT_ID = "00f067aa0ba902b7";
/** So many may wait, or be on their way. */
const MAX_WAITING = 4_096;

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly status: { readonly code?: number };
}

interface Taken {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly spans: readonly Span[];
}

const valuesOf = (attributes: Span["attributes"]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

const servers: Server[] = [];
const begun: Tracing[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await Promise.all(begun.splice(0).map((tracing) => tracing.shutdown()));
});

const well: RequestListener = (_, response) =>
  void response.writeHead(200, { "content-type": "application/json" }).end("{}");

/** @param answer once the whole request is there */
const collector = async (answer: RequestListener = well) => {
  const taken: Taken[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (part: string) => {
      text += part;
    });
    request.on("end", () => {
      const { resourceSpans } = JSON.parse(text);
      const { url, headers } = request;
      taken.push({
        url,
        headers,
        resource: valuesOf(resourceSpans[0].resource.attributes),
        spans: resourceSpans[0].scopeSpans[0].spans,
      });
      answer(request, response);
    });
  });
  servers.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  const endpoint = `http://127.0.0.1:${address.port}`;
  return { endpoint, taken, spans: () => taken.flatMap(({ spans }) => spans) };
};

const start = (endpoint: string) => {
  const log = createLog("silent");
  const said: string[] = [];
  vi.spyOn(log, "warn").mockImplementation((_, message) => void said.push(String(message)));
  vi.spyOn(log, "info").mockImplementation((message) => void said.push(String(message)));
  const counts: Record<string, number> = {};
  const count = (name: string, by: number): void => {
    counts[name] = (counts[name] ?? 0) + by;
  };
  const tracing = createTracing({
    endpoint,
    headers: { authorization: "Bearer secret" },
    serviceName: "test-origin",
    serviceVersion: "1.2.3",
    instanceId: "11111111-2222-4333-8444-555555555555",
    counts: {
      exported: (signal, by) => count(`exported ${signal}`, by),
      dropped: (signal, reason, by) => count(`dropped ${signal} ${reason}`, by),
    },
    log,
  });
  begun.push(tracing);
  return { tracing, counts, said };
};

const request = (fields: Partial<BegunRequest> = {}): BegunRequest => ({
  traceId: TRACE_ID,
  parentSpanId: PARENT_ID,
  name: "GET /products/:id",
  attributes: { "http.request.method": "GET", "http.route": "/products/:id" },
  beganAtMs: Date.now(),
  ...fields,
});

const endMany = (tracing: Tracing, many: number): void => {
  for (let each = 0; each < many; each += 1) tracing.begin(request()).end(200, {});
};

describe("a request's span", () => {
  test("is below the edge's attempt, of its trace, and tells what it was", async () => {
    const { endpoint, taken, spans } = await collector();
    const { tracing, counts } = start(endpoint);
    const span = tracing.begin(request());
    expect(readSpanId(span.spanId)).toBe(span.spanId);
    span.end(200, { "breakwater.cache.outcome": "hit" });
    await tracing.shutdown();
    expect(taken).toMatchObject([
      {
        url: "/v1/traces",
        headers: { "content-type": "application/json", authorization: "Bearer secret" },
        resource: {
          "service.name": "test-origin",
          "service.version": "1.2.3",
          "service.instance.id": "11111111-2222-4333-8444-555555555555",
        },
      },
    ]);
    const [only, ...others] = spans();
    expect(others).toEqual([]);
    expect(only).toMatchObject({
      traceId: TRACE_ID,
      spanId: span.spanId,
      parentSpanId: PARENT_ID,
      name: "GET /products/:id",
      kind: 2,
    });
    expect(valuesOf(only?.attributes ?? [])).toEqual({
      "http.request.method": "GET",
      "http.route": "/products/:id",
      "http.response.status_code": 200,
      "breakwater.cache.outcome": "hit",
    });
    expect(counts).toEqual({ "exported traces": 1 });
  });

  test("begins a trace where nobody has before, and that has the request's id", async () => {
    const { endpoint, spans } = await collector();
    const { tracing } = start(endpoint);
    const ids = ["0190a0b412344abc8def0123456789a1", "0190a0b412344abc8def0123456789a2"];
    for (const traceId of ids) tracing.begin(request({ traceId, parentSpanId: undefined })).end(200, {});
    await tracing.shutdown();
    expect(spans().map(({ traceId }) => traceId)).toEqual(ids);
    for (const span of spans()) expect(span.parentSpanId ?? "").toBe("");
  });

  test.each([
    [200, undefined],
    [404, undefined],
    [500, "500"],
    [503, "503"],
  ])("of an answer %i has %s as its error", async (status, type) => {
    const { endpoint, spans } = await collector();
    const { tracing } = start(endpoint);
    tracing.begin(request()).end(status, {});
    await tracing.shutdown();
    const [span] = spans();
    expect(span?.status.code ?? 0).toBe(type === undefined ? 0 : 2);
    expect(valuesOf(span?.attributes ?? [])["error.type"]).toBe(type);
  });

  test("has no value that is too long", async () => {
    const { endpoint, spans } = await collector();
    const { tracing } = start(endpoint);
    tracing.begin(request({ attributes: { long: "x".repeat(100_000) } })).end(200, {});
    await tracing.shutdown();
    expect(String(valuesOf(spans()[0]?.attributes ?? [])["long"])).toHaveLength(2_048);
  });
});

describe("what is done for a request", () => {
  test("is below its span, also after something was waited for", async () => {
    const { endpoint, spans } = await collector();
    const { tracing } = start(endpoint);
    const span = tracing.begin(request());
    await span.run(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      expect(tracing.active()).toMatchObject({ traceId: TRACE_ID, spanId: span.spanId });
      tracing.beginClient("SELECT products", { "db.system.name": "postgresql" })?.end(undefined, {});
    });
    span.end(200, {});
    await tracing.shutdown();
    expect(spans()).toMatchObject([
      { name: "SELECT products", kind: 3, traceId: TRACE_ID, parentSpanId: span.spanId },
      { name: "GET /products/:id" },
    ]);
  });

  test("that failed is an error, by its type", async () => {
    const { endpoint, spans } = await collector();
    const { tracing } = start(endpoint);
    const span = tracing.begin(request());
    span.run(() =>
      tracing.beginClient("SELECT", {})?.end("StatementError", { "db.response.status_code": "23505" }),
    );
    span.end(200, {});
    await tracing.shutdown();
    const [client] = spans();
    expect(client?.status.code).toBe(2);
    expect(valuesOf(client?.attributes ?? [])).toEqual({
      "error.type": "StatementError",
      "db.response.status_code": "23505",
    });
  });

  test("is below its own request's span, however many there are at a time", async () => {
    const { endpoint, spans } = await collector();
    const { tracing } = start(endpoint);
    await Promise.all(
      ["a", "b", "c"].map(async (name) => {
        const span = tracing.begin(request({ name }));
        await span.run(async () => {
          await new Promise((resolve) => setImmediate(resolve));
          tracing.beginClient(`of ${name}`, {})?.end(undefined, {});
        });
        span.end(200, {});
      }),
    );
    await tracing.shutdown();
    const all = spans();
    for (const name of ["a", "b", "c"]) {
      const parent = all.find((span) => span.name === name);
      expect(all.find((span) => span.name === `of ${name}`)?.parentSpanId).toBe(parent?.spanId);
    }
  });

  test("is not recorded where its request is not", async () => {
    const { endpoint } = await collector();
    const { tracing } = start(endpoint);
    expect(tracing.active()).toBeUndefined();
    expect(tracing.beginClient("SELECT", {})).toBeUndefined();
  });
});

describe("a collector", () => {
  test("is sent what there is soon after, without a word from anybody", async () => {
    const { endpoint, spans } = await collector();
    const { tracing } = start(endpoint);
    tracing.begin(request()).end(200, {});
    await expect.poll(() => spans().length, { timeout: 10_000 }).toBe(1);
  });

  test.runIf(isLong)("that is away costs spans, which are counted, and is told of once", async () => {
    const { tracing, counts, said } = start("http://127.0.0.1:9");
    endMany(tracing, 3);
    await expect.poll(() => counts, { timeout: 20_000 }).toEqual({ "dropped traces export_failed": 3 });
    endMany(tracing, 2);
    await tracing.shutdown();
    expect(counts).toEqual({ "dropped traces export_failed": 5 });
    expect(said).toEqual(["spans cannot be exported"]);
  });

  test.each([400, 503])("that answers %i costs spans, which are counted", async (status) => {
    const { endpoint } = await collector((_, response) => void response.writeHead(status).end());
    const { tracing, counts } = start(endpoint);
    endMany(tracing, 3);
    await tracing.shutdown();
    expect(counts).toEqual({ "dropped traces export_failed": 3 });
  });

  test("that sends elsewhere costs spans: nobody else gets them", async () => {
    const other = await collector();
    const { endpoint } = await collector(
      (_, response) => void response.writeHead(307, { location: `${other.endpoint}/v1/traces` }).end(),
    );
    const { tracing, counts } = start(endpoint);
    endMany(tracing, 1);
    await tracing.shutdown();
    expect(other.taken).toEqual([]);
    expect(counts).toEqual({ "dropped traces export_failed": 1 });
  });

  test("that hangs lets so many spans wait and no more; the others are counted at once", async () => {
    const { endpoint } = await collector(() => undefined);
    const { tracing, counts } = start(endpoint);
    endMany(tracing, MAX_WAITING + 904);
    expect(counts).toEqual({ "dropped traces queue_full": 904 });
  });

  test.runIf(isLong)(
    "that hangs is waited for for so long and no longer, and every span is accounted for",
    async () => {
      const { endpoint } = await collector(() => undefined);
      const { tracing, counts } = start(endpoint);
      endMany(tracing, 3);
      await tracing.shutdown();
      expect(counts).toEqual({ "dropped traces export_failed": 3 });
    },
  );
});

describe("the end of a process", () => {
  test("sends the last spans", async () => {
    const { endpoint, spans } = await collector();
    const { tracing } = start(endpoint);
    endMany(tracing, 500);
    await tracing.shutdown();
    expect(spans()).toHaveLength(500);
  });

  test("sends the last spans, however many there are", async () => {
    const { endpoint, spans } = await collector();
    const { tracing } = start(endpoint);
    endMany(tracing, 3_000);
    await tracing.shutdown();
    expect(spans()).toHaveLength(3_000);
  });

  test("waits until it is known of every span what has become of it", async () => {
    const { endpoint } = await collector(
      (incoming, response) => void setTimeout(well, 300, incoming, response),
    );
    const { tracing, counts } = start(endpoint);
    endMany(tracing, 3_000);
    await tracing.shutdown();
    expect(Object.values(counts).reduce((sum, each) => sum + each, 0)).toBe(3_000);
  });

  test("may be told twice", async () => {
    const { endpoint, spans } = await collector();
    const { tracing } = start(endpoint);
    endMany(tracing, 1);
    await Promise.all([tracing.shutdown(), tracing.shutdown()]);
    expect(spans()).toHaveLength(1);
  });

  test("has a span counted that comes too late", async () => {
    const { endpoint } = await collector();
    const { tracing, counts } = start(endpoint);
    await tracing.shutdown();
    endMany(tracing, 1);
    expect(Object.keys(counts)).toHaveLength(1);
  });
});
