import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type BegunRequest, createTracing, type Tracing } from "../../../src/origin/telemetry/tracing.ts";
import type { Span } from "../../../src/telemetry/spans/span.ts";

const TRACE_ID = "0190a0b412344abc8def0123456789ab";
const PARENT_ID = "00f067aa0ba902b7";

let spans: Span[];
let tracing: Tracing;

beforeEach(() => {
  spans = [];
  tracing = createTracing((span) => void spans.push(span), Math.random);
});
afterEach(() => void vi.useRealTimers());

const request = (fields: Partial<BegunRequest> = {}): BegunRequest => ({
  traceId: TRACE_ID,
  parentSpanId: PARENT_ID,
  name: "GET /products/:id",
  attributes: { "http.request.method": "GET", "http.route": "/products/:id" },
  beganAtMs: performance.now(),
  ...fields,
});

const named = (name: string): Span | undefined => spans.find((span) => span.name === name);

describe("a request's span", () => {
  test("is below the edge's attempt, of its trace, and tells what it was", () => {
    const span = tracing.begin(request());
    expect(span.spanId).toMatch(/^(?!0{16})[0-9a-f]{16}$/);
    expect(spans).toEqual([]);
    span.end(200, { "breakwater.cache.outcome": "hit" }, 12);
    expect(spans).toEqual([
      {
        traceId: TRACE_ID,
        spanId: span.spanId,
        parentSpanId: PARENT_ID,
        name: "GET /products/:id",
        kind: "server",
        startMs: expect.any(Number),
        endMs: expect.any(Number),
        attributes: {
          "http.request.method": "GET",
          "http.route": "/products/:id",
          "http.response.status_code": 200,
          "breakwater.cache.outcome": "hit",
        },
        errorType: undefined,
      },
    ]);
  });

  test("begins a trace where nobody has before, and that has the request's id", () => {
    tracing.begin(request({ parentSpanId: undefined })).end(200, {}, 12);
    expect(spans).toMatchObject([{ traceId: TRACE_ID, parentSpanId: undefined }]);
  });

  test.each([
    [200, undefined],
    [404, undefined],
    [500, "500"],
    [503, "503"],
  ])("of an answer %i has %s as its error", (status, errorType) => {
    tracing.begin(request()).end(status, {}, 12);
    expect(spans[0]?.errorType).toBe(errorType);
  });

  // A process lives for months: its own count of milliseconds goes away from the clock.
  test("began when its head came, though the clock was set since the process began", () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + 3_600_000);
    tracing.begin(request({ beganAtMs: performance.now() - 40 })).end(200, {}, 50);
    const [{ startMs, endMs } = { startMs: 0, endMs: 0 }] = spans;
    expect(Math.abs(startMs - (Date.now() - 40))).toBeLessThan(1_000);
    expect(endMs - startMs).toBeCloseTo(50);
  });

  test("takes as long as it takes, though the clock is set meanwhile", () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const beganAtMs = performance.now();
    const span = tracing.begin(request({ beganAtMs }));
    vi.setSystemTime(Date.now() + 3_600_000);
    span.run(() => tracing.beginClient("SELECT", {})?.end(undefined, {}));
    span.end(200, {}, performance.now() - beganAtMs);
    const [select, server] = [named("SELECT"), named("GET /products/:id")];
    expect(select?.startMs).toBeGreaterThanOrEqual(server?.startMs ?? Number.NaN);
    expect(select?.endMs).toBeLessThanOrEqual(server?.endMs ?? Number.NaN);
  });
});

describe("what is done for a request", () => {
  test("is below its span, also after something was waited for", async () => {
    const span = tracing.begin(request());
    await span.run(async () => {
      await setImmediate();
      expect(tracing.active()).toMatchObject({ traceId: TRACE_ID, spanId: span.spanId });
      tracing.beginClient("SELECT products", { "db.system.name": "postgresql" })?.end(undefined, {});
    });
    expect(spans).toMatchObject([
      {
        name: "SELECT products",
        kind: "client",
        traceId: TRACE_ID,
        parentSpanId: span.spanId,
        errorType: undefined,
      },
    ]);
  });

  test("that failed is an error, by its type", () => {
    tracing
      .begin(request())
      .run(() =>
        tracing.beginClient("SELECT", {})?.end("StatementError", { "db.response.status_code": "23505" }),
      );
    expect(spans).toMatchObject([
      { errorType: "StatementError", attributes: { "db.response.status_code": "23505" } },
    ]);
  });

  test("is below its own request's span, however many there are at a time", async () => {
    const names = ["a", "b", "c"];
    await Promise.all(
      names.map(async (name) => {
        const span = tracing.begin(request({ name }));
        await span.run(async () => {
          await setImmediate();
          tracing.beginClient(`of ${name}`, {})?.end(undefined, {});
        });
        span.end(200, {}, 12);
      }),
    );
    for (const name of names) expect(named(`of ${name}`)?.parentSpanId).toBe(named(name)?.spanId);
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(6);
  });

  test("is not recorded where its request is not", () => {
    expect(tracing.active()).toBeUndefined();
    expect(tracing.beginClient("SELECT", {})).toBeUndefined();
  });
});
