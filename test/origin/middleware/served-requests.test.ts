import { beforeEach, describe, expect, test } from "vitest";
import {
  createRequestTelemetry,
  type ReceivedRequest,
  type ServedRequest,
} from "../../../src/origin/middleware/request-telemetry.ts";
import type { BegunRequest, Tracing } from "../../../src/origin/telemetry/tracing.ts";
import type { SpanAttributes } from "../../../src/telemetry/spans/span.ts";

const REQUEST_ID = "0190a0b4-1234-4abc-8def-0123456789ab";
const PARENT_ID = "00f067aa0ba902b7";
const SPAN_ID = "b7ad6b7169203331";
const ROUTE = { method: "GET", path: "/products/:id" };

const received = (fields: Partial<ReceivedRequest> = {}): ReceivedRequest => ({
  route: ROUTE,
  requestId: REQUEST_ID,
  edge: { parentSpanId: PARENT_ID },
  receivedAtMs: performance.now(),
  ...fields,
});

let begun: BegunRequest[];
let ended: { readonly status: number; readonly attributes: SpanAttributes; readonly durationMs: number }[];
let observed: unknown[][];
let lines: ServedRequest[];

beforeEach(() => {
  begun = [];
  ended = [];
  observed = [];
  lines = [];
});

const tracing: Tracing = {
  begin: (request) => {
    begun.push(request);
    return {
      spanId: SPAN_ID,
      run: (work) => work(),
      end: (status, attributes, durationMs) => void ended.push({ status, attributes, durationMs }),
    };
  },
  beginClient: () => undefined,
  active: () => undefined,
};

const telemetryWith = (
  options: { readonly tracing?: Tracing; readonly samplingRate?: number } = { tracing },
) =>
  createRequestTelemetry({
    observe: (...of) => void observed.push(of),
    writeAccessLine: (line) => void lines.push(line),
    ...options,
  });

describe("a sampled request", () => {
  test("starts a span named by its route, in the trace of its id, below the edge's attempt", () => {
    telemetryWith().begin(received());
    expect(begun).toMatchObject([
      {
        traceId: "0190a0b412344abc8def0123456789ab",
        parentSpanId: PARENT_ID,
        name: "GET /products/:id",
        attributes: {
          "http.request.method": "GET",
          "http.route": "/products/:id",
          "breakwater.request_id": REQUEST_ID,
        },
      },
    ]);
  });

  test("is named by its method alone if no route matches", () => {
    telemetryWith().begin(received({ route: { method: "GET", path: "" } }));
    expect(begun[0]?.name).toBe("GET");
    expect(begun[0]?.attributes).not.toHaveProperty("http.route");
  });

  test("starts when its head arrives", () => {
    const receivedAtMs = performance.now() - 40;
    telemetryWith().begin(received({ receivedAtMs }));
    expect(begun[0]?.beganAtMs).toBe(receivedAtMs);
  });

  test("ends its span with its status and the cache's outcome", () => {
    const telemetry = telemetryWith();
    const span = telemetry.begin(received());
    telemetry.served({
      route: ROUTE,
      requestId: REQUEST_ID,
      span,
      cacheOutcome: "hit",
      status: 200,
      durationMs: 5,
    });
    expect(ended).toEqual([
      { status: 200, attributes: { "breakwater.cache.outcome": "hit" }, durationMs: 5 },
    ]);
    expect(lines).toEqual([
      {
        route: ROUTE,
        requestId: REQUEST_ID,
        status: 200,
        durationMs: 5,
        span,
        cacheOutcome: "hit",
      },
    ]);
  });
});

test.each([
  [1, 1],
  [0, 0],
])("without an edge the sampling rate decides: %d", (samplingRate, spans) => {
  telemetryWith({ tracing, samplingRate }).begin(received({ edge: undefined }));
  expect(begun).toHaveLength(spans);
});

describe("a request that is not sampled", () => {
  test("starts no span", () => {
    expect(telemetryWith().begin(received({ edge: { parentSpanId: undefined } }))).toBeUndefined();
    expect(begun).toEqual([]);
  });

  test("nor does any request without a tracer", () => {
    expect(telemetryWith({}).begin(received())).toBeUndefined();
  });
});

test("every request is measured and logged, even if it was rejected", () => {
  const refused = { route: ROUTE, requestId: REQUEST_ID, cacheOutcome: undefined, span: undefined };
  telemetryWith().served({ ...refused, status: 401, durationMs: 1 });
  expect(observed).toEqual([[ROUTE, 401, 1]]);
  expect(lines).toMatchObject([{ status: 401, span: undefined, cacheOutcome: undefined }]);
});
