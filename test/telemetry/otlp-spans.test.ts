import { describe, expect, test } from "vitest";
import { otlpSpans } from "../../src/telemetry/otlp.ts";
import type { Span } from "../../src/telemetry/spans/span.ts";

const SPAN: Span = {
  traceId: "0190a0b412344abc8def0123456789ab",
  spanId: "00f067aa0ba902b7",
  parentSpanId: "b7ad6b7169203331",
  name: "GET",
  kind: "client",
  startMs: 1_700_000_000_123,
  endMs: 1_700_000_000_456,
  attributes: { "http.request.method": "GET", "server.port": 443, "breakwater.ok": true },
  errorType: undefined,
};

const written = (span: Partial<Span>) => {
  const request = otlpSpans([{ ...SPAN, ...span }], {}, { name: "test" });
  const [first] = request.resourceSpans[0]?.scopeSpans[0]?.spans ?? [];
  if (first === undefined) throw new Error("there is no span");
  return first;
};

describe("spans in OTLP's JSON", () => {
  test("are below what they are of, and what has recorded them", () => {
    const resource = { "service.name": "breakwater-edge", "service.version": undefined };
    const request = otlpSpans([SPAN, { ...SPAN, name: "HMGET" }], resource, { name: "breakwater-edge" });
    expect(JSON.parse(JSON.stringify(request))).toMatchObject({
      resourceSpans: [
        {
          resource: { attributes: [{ key: "service.name", value: { stringValue: "breakwater-edge" } }] },
          scopeSpans: [{ scope: { name: "breakwater-edge" }, spans: [{ name: "GET" }, { name: "HMGET" }] }],
        },
      ],
    });
  });

  test("have ids in hexadecimal, times as text in nanoseconds, and enums as numbers", () => {
    expect(JSON.parse(JSON.stringify(written({})))).toEqual({
      traceId: SPAN.traceId,
      spanId: SPAN.spanId,
      parentSpanId: SPAN.parentSpanId,
      flags: 0x101,
      name: "GET",
      kind: 3,
      startTimeUnixNano: "1700000000123000000",
      endTimeUnixNano: "1700000000456000000",
      attributes: [
        { key: "http.request.method", value: { stringValue: "GET" } },
        { key: "server.port", value: { intValue: "443" } },
        { key: "breakwater.ok", value: { boolValue: true } },
      ],
      status: {},
    });
  });

  test("name no parent where they are the first of their trace", () => {
    expect(Object.keys(written({ parentSpanId: undefined }))).not.toContain("parentSpanId");
  });

  test.each([
    ["a request's, below another process' span", { kind: "server" }, 0x301],
    ["a request's, the first of its trace", { kind: "server", parentSpanId: undefined }, 0x101],
    ["what is done for a request", { kind: "client" }, 0x101],
  ] as const)("tell whether their parent is another process': %s", (_, span, flags) => {
    expect(written(span).flags).toBe(flags);
  });

  test("have no value that is too long, nor half a character at its end", () => {
    const { attributes } = written({ attributes: { long: `${"x".repeat(2_047)}\u{1f600}` } });
    expect(attributes).toEqual([{ key: "long", value: { stringValue: `${"x".repeat(2_047)}\ufffd` } }]);
  });

  test.each([
    ["server", 2],
    ["client", 3],
  ] as const)("are of kind %s by its number, %i", (kind, number) => {
    expect(written({ kind }).kind).toBe(number);
  });

  test("that have failed are errors, and say by which type", () => {
    const { status, attributes } = written({ errorType: "timed_out" });
    expect(status).toEqual({ code: 2 });
    expect(attributes).toContainEqual({ key: "error.type", value: { stringValue: "timed_out" } });
  });

  test("have no status where nothing was wrong: to say that all was well is not for those who record", () => {
    expect(written({}).status).toEqual({});
    expect(written({}).attributes.map(({ key }) => key)).not.toContain("error.type");
  });

  test("never end before they begin, though the clock was set back", () => {
    const { startTimeUnixNano, endTimeUnixNano } = written({ startMs: 2_000, endMs: 1_000 });
    expect(endTimeUnixNano).toBe(startTimeUnixNano);
  });
});
