import { beforeEach, describe, expect, test } from "vitest";
import type { AdmittedRequest } from "../../../src/origin/admitted-request.ts";
import type { AccessEntry } from "../../../src/origin/telemetry/access-log.ts";
import { createRequestTelemetry } from "../../../src/origin/telemetry/request-telemetry.ts";
import type { BegunRequest, Tracing } from "../../../src/origin/telemetry/tracing.ts";
import type { SpanAttributes } from "../../../src/telemetry/spans/span.ts";

const REQUEST_ID = "0190a0b4-1234-4abc-8def-0123456789ab";
const PARENT_ID = "00f067aa0ba902b7";
const SPAN_ID = "b7ad6b7169203331";
const ROUTE = { method: "GET", path: "/products/:id" };

const admitted = (fields: Partial<AdmittedRequest> = {}): AdmittedRequest => ({
  requestId: REQUEST_ID,
  verdict: { auth: "none" },
  client: "192.0.2.1",
  timeoutMs: 1_000,
  isSentAgain: false,
  cacheControl: undefined,
  claim: async () => true,
  isOnlyHere: async () => true,
  trace: { parentSpanId: PARENT_ID },
  notes: {},
  fields: {},
  ...fields,
});

let begun: BegunRequest[];
let ended: { readonly status: number; readonly attributes: SpanAttributes; readonly durationMs: number }[];
let observed: unknown[][];
let lines: AccessEntry[];

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

const telemetryWith = (options: { readonly tracing?: Tracing } = { tracing }) =>
  createRequestTelemetry({
    observe: (...of) => void observed.push(of),
    writeAccessLine: (line) => void lines.push(line),
    ...options,
  });

describe("a request whose trace is kept", () => {
  test("begins a span by its route, in the trace of its id, below the edge's attempt", () => {
    telemetryWith().begin(admitted(), ROUTE, performance.now());
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

  test("is called by its method alone where no route fits", () => {
    telemetryWith().begin(admitted(), { method: "GET", path: "" }, performance.now());
    expect(begun[0]?.name).toBe("GET");
    expect(begun[0]?.attributes).not.toHaveProperty("http.route");
  });

  test("began when its head came", () => {
    const beganAtMs = performance.now() - 40;
    telemetryWith().begin(admitted(), ROUTE, beganAtMs);
    expect(begun[0]?.beganAtMs).toBe(beganAtMs);
  });

  test("ends its span with its answer, and what the cache made of it", () => {
    const telemetry = telemetryWith();
    const request = admitted({ notes: { cacheOutcome: "hit" } });
    const span = telemetry.begin(request, ROUTE, performance.now());
    telemetry.served({
      route: ROUTE,
      requestId: REQUEST_ID,
      admitted: request,
      span,
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
        spanId: SPAN_ID,
        cacheOutcome: "hit",
      },
    ]);
  });
});

describe("a request whose trace is not kept", () => {
  test("begins no span", () => {
    expect(telemetryWith().begin(admitted({ trace: undefined }), ROUTE, 0)).toBeUndefined();
    expect(begun).toEqual([]);
  });

  test("nor does any where nothing is recorded", () => {
    expect(telemetryWith({}).begin(admitted(), ROUTE, 0)).toBeUndefined();
  });
});

test("every request is measured and leaves a line, admitted or not", () => {
  const refused = { route: ROUTE, requestId: REQUEST_ID, admitted: undefined, span: undefined };
  telemetryWith().served({ ...refused, status: 401, durationMs: 1 });
  expect(observed).toEqual([[ROUTE, 401, 1]]);
  expect(lines).toMatchObject([{ status: 401, spanId: undefined, cacheOutcome: undefined }]);
});
