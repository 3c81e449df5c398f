import { beforeEach, describe, expect, test } from "vitest";
import { type BegunAttempt, createTracing, type RequestTrace } from "../../../src/edge/telemetry/tracing.ts";
import type { AttemptRecord } from "../../../src/edge/upstream/attempt.ts";
import { createSpanQueue, type Span, type SpanQueue } from "../../../src/telemetry/spans/span.ts";

const TRACE_ID = "0190a0b412344abc8def0123456789ab";
const ADDRESS = { url: "http://127.0.0.1:8080", authority: "origin.test", weight: 1 };
const ATTEMPT: BegunAttempt = {
  number: 1,
  cause: "first",
  method: "GET",
  address: ADDRESS,
  startedMs: 1_010,
};

let queue: SpanQueue;
let trace: RequestTrace;

beforeEach(() => {
  queue = createSpanQueue(10, () => undefined);
  trace = createTracing(queue, Math.random)(TRACE_ID, 1_000);
});

const theSpan = (): Span => {
  const [span, ...others] = queue.takeAll();
  if (span === undefined || others.length > 0) throw new Error("there is not one span");
  return span;
};

describe("a request's own span", () => {
  test("is the first of its trace, from the request's beginning to its answer", () => {
    trace.end("GET /products/:id", 200, { "http.route": "/products/:id" }, 1_040);
    expect(theSpan()).toEqual({
      traceId: TRACE_ID,
      spanId: trace.spanId,
      parentSpanId: undefined,
      name: "GET /products/:id",
      kind: "server",
      startMs: 1_000,
      endMs: 1_040,
      attributes: { "http.route": "/products/:id", "http.response.status_code": 200 },
      errorType: undefined,
    });
  });

  test.each([
    [200, undefined],
    [404, undefined],
    [429, undefined],
    [499, undefined],
    [500, "500"],
    [503, "503"],
  ])("of an answer %i has %s as its error: what a client got wrong is none of the server's", (status, type) => {
    trace.end("GET", status, {}, 1_040);
    expect(theSpan().errorType).toBe(type);
  });

  test("waits to be sent from its end on, and not before", () => {
    expect(queue.length).toBe(0);
    trace.end("GET", 200, {}, 1_040);
    expect(queue.length).toBe(1);
  });
});

describe("the span of an attempt", () => {
  test("is below the request's, and tells where it went and why", () => {
    const attempt = trace.beginAttempt(ATTEMPT);
    expect(attempt.spanId).toMatch(/^(?!0{16})[0-9a-f]{16}$/);
    expect(attempt.spanId).not.toBe(trace.spanId);
    attempt.end("answered", 200, 1_030);
    expect(theSpan()).toEqual({
      traceId: TRACE_ID,
      spanId: attempt.spanId,
      parentSpanId: trace.spanId,
      name: "GET",
      kind: "client",
      startMs: 1_010,
      endMs: 1_030,
      attributes: {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": 8080,
        "breakwater.attempt.number": 1,
        "breakwater.attempt.cause": "first",
        "breakwater.attempt.outcome": "answered",
        "http.response.status_code": 200,
      },
      errorType: undefined,
    });
  });

  test.each([
    ["https://origin.example.com", "origin.example.com", 443],
    ["http://origin.example.com", "origin.example.com", 80],
    ["http://[::1]:8080", "[::1]", 8080],
  ])("to %s names host and port", (url, host, port) => {
    trace.beginAttempt({ ...ATTEMPT, address: { ...ADDRESS, url } }).end("answered", 200, 1_030);
    expect(theSpan().attributes).toMatchObject({ "server.address": host, "server.port": port });
  });

  test("tells how often the request was sent before, where it is sent again", () => {
    trace.beginAttempt({ ...ATTEMPT, number: 3, cause: "retry" }).end("answered", 200, 1_030);
    expect(theSpan().attributes["http.request.resend_count"]).toBe(2);
    trace.beginAttempt(ATTEMPT).end("answered", 200, 1_030);
    expect(theSpan().attributes).not.toHaveProperty("http.request.resend_count");
  });

  test.each<[AttemptRecord["outcome"], number | undefined, string | undefined]>([
    ["answered", 200, undefined],
    ["answered", 304, undefined],
    ["answered", 404, "404"],
    ["answered", 500, "500"],
    ["refused", 503, "503"],
    ["broken", undefined, "broken"],
    ["timed_out", undefined, "timed_out"],
    ["not_origin", undefined, "not_origin"],
    ["signature_rejected", undefined, "signature_rejected"],
    ["hedge_lost", undefined, undefined],
  ])("that is %s, with %s, has %s as its error", (outcome, status, type) => {
    trace.beginAttempt(ATTEMPT).end(outcome, status, 1_030);
    expect(theSpan().errorType).toBe(type);
  });

  test("that ends after its request's is sent too", () => {
    const attempt = trace.beginAttempt({ ...ATTEMPT, cause: "probe" });
    trace.end("GET", 200, {}, 1_020);
    attempt.end("hedge_lost", undefined, 1_030);
    expect(queue.takeAll().map(({ kind }) => kind)).toEqual(["server", "client"]);
  });
});

describe("the span of a command to Redis", () => {
  test("is below the request's, and tells which command it was, and nothing of what was asked", () => {
    trace.beginCommand("HMGET", 1_005).end(undefined, 1_007);
    expect(theSpan()).toMatchObject({
      traceId: TRACE_ID,
      parentSpanId: trace.spanId,
      name: "HMGET",
      kind: "client",
      startMs: 1_005,
      endMs: 1_007,
      attributes: { "db.system.name": "redis", "db.operation.name": "HMGET" },
      errorType: undefined,
    });
  });

  test.each([
    [new TypeError("to http://secret@redis"), "TypeError"],
    ["a text that was thrown", "_OTHER"],
  ])("that failed names the kind of its error, never its words", (error, type) => {
    trace.beginCommand("HMGET", 1_005).end(error, 1_007);
    const span = theSpan();
    expect(span.errorType).toBe(type);
    expect(JSON.stringify(span)).not.toContain("secret");
  });
});
