import { setImmediate } from "node:timers/promises";
import { context, SpanKind, trace } from "@opentelemetry/api";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createLog } from "../../../src/origin/log/log.ts";
import {
  createRequestTelemetry,
  type ReceivedRequest,
  type ServedRequest,
} from "../../../src/origin/middleware/request-telemetry.ts";
import { recordSpans } from "../../support/recorded-spans.ts";

const REQUEST_ID = "0190a0b4-1234-4abc-8def-0123456789ab";
const TRACE_ID = "0190a0b412344abc8def0123456789ab";
const PARENT_ID = "00f067aa0ba902b7";
const ROUTE = { method: "GET", path: "/products/:id" };

const received = (fields: Partial<ReceivedRequest> = {}): ReceivedRequest => ({
  route: ROUTE,
  requestId: REQUEST_ID,
  edge: { parentSpanId: PARENT_ID },
  receivedAtMs: performance.now(),
  ...fields,
});

let recorded: ReturnType<typeof recordSpans>;
let observed: unknown[][];
let lines: Record<string, unknown>[];

beforeEach(() => {
  recorded = recordSpans();
  observed = [];
  lines = [];
});
afterEach(() => {
  recorded.stop();
  vi.useRealTimers();
});

const telemetryWith = (samplingRate = 0, tracer = trace.getTracer("test")) =>
  createRequestTelemetry({
    observe: (...of) => void observed.push(of),
    accessLog: createLog("info", undefined, {
      write: (line) => void lines.push(JSON.parse(line)),
      flushSync: () => undefined,
      onDrop: () => undefined,
    }),
    tracer,
    samplingRate,
  });

/** Begins and ends the request's span. */
const serve = (
  request: ReceivedRequest,
  { samplingRate = 0, ...served }: Partial<ServedRequest> & { readonly samplingRate?: number } = {},
): void => {
  const telemetry = telemetryWith(samplingRate);
  const span = telemetry.begin(request);
  const { route, requestId } = request;
  telemetry.served({
    route,
    requestId,
    span,
    cacheOutcome: undefined,
    status: 200,
    durationMs: 5,
    ...served,
  });
};

describe("a sampled request", () => {
  test("has a span named by its route, in the trace of its id, below the edge's attempt", () => {
    serve(received());
    expect(recorded.spans()).toMatchObject([
      {
        traceId: TRACE_ID,
        parentSpanId: PARENT_ID,
        spanId: expect.stringMatching(/^(?!0{16})[0-9a-f]{16}$/),
        kind: SpanKind.SERVER,
        name: "GET /products/:id",
        attributes: {
          "http.request.method": "GET",
          "http.route": "/products/:id",
          "http.response.status_code": 200,
          "breakwater.request_id": REQUEST_ID,
        },
      },
    ]);
  });

  test("is named by its method alone if no route matches", () => {
    serve(received({ route: { method: "GET", path: "" } }));
    const [span] = recorded.spans();
    expect(span?.name).toBe("GET");
    expect(span?.attributes).not.toHaveProperty("http.route");
  });

  test("says what the cache made of it, and is in the access log with its span", () => {
    serve(received(), { cacheOutcome: "hit" });
    const [span] = recorded.spans();
    expect(span?.attributes).toMatchObject({ "breakwater.cache.outcome": "hit" });
    expect(lines).toMatchObject([{ cache: "hit", sampled: true, trace_id: TRACE_ID, span_id: span?.spanId }]);
  });

  test.each([
    [200, undefined],
    [404, undefined],
    [500, "500"],
    [503, "503"],
  ])("answered with %i has the error type %s", (status, errorType) => {
    serve(received(), { status });
    expect(recorded.spans()).toMatchObject([{ isError: errorType !== undefined }]);
    expect(recorded.spans()[0]?.attributes["error.type"]).toBe(errorType);
  });

  // A process lives for months, and its monotonic clock drifts away from the system's.
  test("starts when its head arrived, even if the system's clock has been set since the process began", () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + 3_600_000);
    serve(received({ receivedAtMs: performance.now() - 40 }));
    const [{ startMs, endMs } = { startMs: 0, endMs: 0 }] = recorded.spans();
    expect(Math.abs(startMs - (Date.now() - 40))).toBeLessThan(1_000);
    expect(endMs - startMs).toBeGreaterThanOrEqual(40);
  });
});

describe("a span that a handler starts", () => {
  const childOf = (request: ReceivedRequest, samplingRate = 0): void => {
    const telemetry = telemetryWith(samplingRate);
    const span = telemetry.begin(request);
    const work = () => trace.getTracer("shop").startSpan("price").end();
    if (span === undefined) work();
    else context.with(trace.setSpan(context.active(), span), work);
    span?.end();
  };

  test("is a child of its request's", () => {
    childOf(received());
    const [price, server] = recorded.spans();
    expect(price).toMatchObject({ name: "price", traceId: TRACE_ID, parentSpanId: server?.spanId });
  });

  test("is not recorded if its request is not sampled", () => {
    childOf(received({ edge: { parentSpanId: undefined } }));
    childOf(received({ edge: undefined }));
    expect(recorded.spans()).toEqual([]);
  });

  test("belongs to its own request, however many there are at a time", async () => {
    const telemetry = telemetryWith();
    await Promise.all(
      ["/a", "/b", "/c"].map(async (path) => {
        const span = telemetry.begin(received({ route: { method: "GET", path } }));
        if (span === undefined) throw new Error("not sampled");
        await context.with(trace.setSpan(context.active(), span), async () => {
          await setImmediate();
          trace.getTracer("shop").startSpan(`of ${path}`).end();
        });
        span.end();
      }),
    );
    const named = (name: string) => recorded.spans().find((span) => span.name === name);
    for (const path of ["/a", "/b", "/c"])
      expect(named(`of ${path}`)?.parentSpanId).toBe(named(`GET ${path}`)?.spanId);
  });
});

describe("without an edge", () => {
  test("a sampled request begins a trace, which has the request's id", () => {
    serve(received({ edge: undefined }), { samplingRate: 1 });
    expect(recorded.spans()).toMatchObject([{ traceId: TRACE_ID, parentSpanId: undefined }]);
  });

  test("no request is sampled at a rate of 0", () => {
    serve(received({ edge: undefined }), { samplingRate: 0 });
    expect(recorded.spans()).toEqual([]);
  });
});

describe("no span has", () => {
  test("a request that the edge has not sampled", () => {
    serve(received({ edge: { parentSpanId: undefined } }));
    expect(recorded.spans()).toEqual([]);
  });

  test("any request without a tracer", () => {
    const telemetry = createRequestTelemetry({ observe: () => undefined });
    expect(telemetry.begin(received())).toBeUndefined();
  });
});

test("every request is measured and logged, even if it was rejected", () => {
  const rejected = { route: ROUTE, requestId: REQUEST_ID, cacheOutcome: undefined, span: undefined };
  telemetryWith().served({ ...rejected, status: 401, durationMs: 1 });
  expect(observed).toEqual([[ROUTE, 401, 1]]);
  expect(lines).toMatchObject([{ "http.response.status_code": 401, sampled: false }]);
});

describe("the access log's line", () => {
  test("says what the request was, what became of it, and its trace", () => {
    serve(received({ edge: { parentSpanId: undefined } }), { durationMs: 12.34567 });
    expect(lines).toEqual([
      {
        time: expect.any(String),
        level: "info",
        message: "request",
        "http.request.method": "GET",
        "http.route": "/products/:id",
        "http.response.status_code": 200,
        durationMs: 12.346,
        requestId: REQUEST_ID,
        trace_id: TRACE_ID,
        sampled: false,
      },
    ]);
  });

  test("has no route if none matched", () => {
    serve(received({ route: { method: "_OTHER", path: "" } }));
    expect(lines[0]).not.toHaveProperty("http.route");
  });

  test.each([
    [404, undefined],
    [503, "503"],
  ])("of a response %i has the error type %s", (status, type) => {
    serve(received(), { status });
    expect(lines[0]?.["error.type"]).toBe(type);
  });
});
