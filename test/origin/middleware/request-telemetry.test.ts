import { setImmediate } from "node:timers/promises";
import { SpanKind, trace } from "@opentelemetry/api";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createLog } from "../../../src/origin/log/log.ts";
import type { OriginContext } from "../../../src/origin/middleware/context.ts";
import type { RequestTelemetry } from "../../../src/origin/middleware/request-telemetry.ts";
import { recordSpans } from "../../support/recorded-spans.ts";
import { PARENT_ID, REQUEST_ID, type RequestOptions, requestWith, TRACE_ID } from "./request-with.ts";

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

const request = async (
  options: RequestOptions = {},
  telemetry: Partial<RequestTelemetry> = {},
): Promise<Response> =>
  await requestWith(
    {
      observe: (...each) => void observed.push(each),
      accessLog: "all",
      log: createLog("info", undefined, {
        write: (line) => void lines.push(JSON.parse(line)),
        flushSync: () => undefined,
        onDrop: () => undefined,
      }),
      tracer: trace.getTracer("test"),
      ...telemetry,
    },
    options,
  );

const answer = (status: number) => () => new Response(null, { status });

describe("every request", () => {
  test("is measured and logged with its route and status", async () => {
    expect((await request({ parent: "unsampled", handle: answer(201) })).status).toBe(201);
    expect(observed).toEqual([[{ method: "GET", path: "/products/:id" }, 201, expect.any(Number)]]);
    expect(lines).toEqual([
      {
        time: expect.any(String),
        level: "info",
        message: "request",
        "http.request.method": "GET",
        "http.route": "/products/:id",
        "http.response.status_code": 201,
        durationMs: expect.any(Number),
        requestId: REQUEST_ID,
        trace_id: TRACE_ID,
        sampled: false,
      },
    ]);
  });

  test("has its route even if it was rejected before it", async () => {
    await request({ path: "/closed/7" });
    expect(observed).toEqual([[{ method: "GET", path: "/closed/:id" }, 401, expect.any(Number)]]);
    expect(lines).toMatchObject([{ "http.response.status_code": 401, sampled: false }]);
  });

  test("has no route if none matched, and a method of a closed set", async () => {
    await request({ path: "/nothing", method: "PURGE" });
    expect(observed).toEqual([[{ method: "_OTHER", path: "" }, 404, expect.any(Number)]]);
    expect(lines[0]).not.toHaveProperty("http.route");
    const [span] = recorded.spans();
    expect(span?.attributes).not.toHaveProperty("http.route");
  });

  test("has the status of its response after an unexpected error", async () => {
    const handle = () => {
      throw new Error("unexpected");
    };
    expect((await request({ handle })).status).toBe(500);
    expect(observed).toEqual([[expect.anything(), 500, expect.any(Number)]]);
  });

  test.each([
    [200, undefined],
    [404, undefined],
    [500, "500"],
    [503, "503"],
  ])("of status %i has the error type %s in its span and its line", async (status, errorType) => {
    await request({ handle: answer(status) });
    expect(recorded.spans()).toMatchObject([{ isError: errorType !== undefined }]);
    expect(recorded.spans()[0]?.attributes["error.type"]).toBe(errorType);
    expect(lines[0]?.["error.type"]).toBe(errorType);
  });
});

describe("without ACCESS_LOG=all", () => {
  test.each([
    ["an unsampled request has no line", { parent: "unsampled", handle: answer(404) }, 0],
    ["a sampled request has one", { handle: answer(200) }, 1],
    ["a response from 500 on has one", { parent: "unsampled", handle: answer(503) }, 1],
  ] as const)("%s", async (_, options, count) => {
    await request(options, { accessLog: "true" });
    expect(lines).toHaveLength(count);
  });
});

describe("a sampled request", () => {
  test("has a span named by its route, in the trace of its id, below the edge's attempt", async () => {
    await request();
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

  test("reports its cache outcome, and is in the access log with its span", async () => {
    await request({ cacheOutcome: "hit" });
    const [span] = recorded.spans();
    expect(span?.attributes).toMatchObject({ "breakwater.cache.outcome": "hit" });
    expect(lines).toMatchObject([{ cache: "hit", sampled: true, trace_id: TRACE_ID, span_id: span?.spanId }]);
  });

  // A process lives for months, and its monotonic clock drifts away from the system's.
  test("starts when its head arrived, even if the system's clock has been set since the process began", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + 3_600_000);
    const arrivedAtMs = Date.now();
    await request({ handle: () => setImmediate(new Response("done")) });
    const [{ startMs, endMs } = { startMs: 0, endMs: 0 }] = recorded.spans();
    expect(Math.abs(startMs - arrivedAtMs)).toBeLessThan(1_000);
    expect(endMs).toBeGreaterThan(startMs);
  });

  test("is the parent of its handler's spans, however many requests there are at a time", async () => {
    const handle = async (c: OriginContext) => {
      await setImmediate();
      trace
        .getTracer("shop")
        .startSpan(`of ${c.req.param("id")}`)
        .end();
      return new Response(trace.getActiveSpan()?.spanContext().spanId);
    };
    const ids = ["1", "2", "3"];
    const replies = await Promise.all(ids.map((id) => request({ path: `/products/${id}`, handle })));
    const parents = await Promise.all(replies.map((reply) => reply.text()));
    expect(trace.getActiveSpan()).toBeUndefined();
    for (const [index, id] of ids.entries())
      expect(recorded.spans().find(({ name }) => name === `of ${id}`)?.parentSpanId).toBe(parents[index]);
    expect(new Set(parents).size).toBe(3);
  });
});

test("without an edge, a sampled request begins a trace of the request's id", async () => {
  await request({ parent: "no edge" }, { samplingRate: 1 });
  expect(recorded.spans()).toMatchObject([{ traceId: TRACE_ID, parentSpanId: undefined }]);
});

test.each<[string, RequestOptions, Partial<RequestTelemetry>]>([
  ["that the edge has not sampled", { parent: "unsampled" }, { samplingRate: 1 }],
  ["without an edge, at a rate of 0", { parent: "no edge" }, { samplingRate: 0 }],
  ["without a tracer", {}, { tracer: undefined }],
])("a request %s has no span, and neither has its handler", async (_, options, telemetry) => {
  const handle = () => {
    trace.getTracer("shop").startSpan("price").end();
    return new Response("done");
  };
  await request({ ...options, handle }, telemetry);
  expect(recorded.spans()).toEqual([]);
});
