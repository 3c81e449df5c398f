import { TraceFlags, trace } from "@opentelemetry/api";
import { describe, expect, test } from "vitest";
import type { LogOutput } from "../../../src/origin/log/stdout.ts";
import { createAccessLog, type ServedRequest } from "../../../src/origin/middleware/request-telemetry.ts";

const ENTRY: ServedRequest = {
  route: { method: "GET", path: "/products/:id" },
  requestId: "0190a0b4-1234-4abc-8def-0123456789ab",
  status: 200,
  durationMs: 12.5,
  span: undefined,
  cacheOutcome: undefined,
};

const lineOf = (fields: Partial<ServedRequest> = {}): Record<string, unknown> => {
  const written: string[] = [];
  const output: LogOutput = {
    write: () => {
      throw new Error("it fits already");
    },
    writeFitted: (line) => void written.push(line),
    flushSync: () => undefined,
    onDrop: () => undefined,
  };
  const service = { serviceName: "test-origin", serviceVersion: "1.2.3" };
  createAccessLog(service, output, () => Date.parse("2026-11-28T06:00:00.012Z"))({ ...ENTRY, ...fields });
  const [line = "", ...others] = written;
  expect(others).toEqual([]);
  // One line, with its end.
  expect(line).toMatch(/^[^\n]+\n$/);
  return JSON.parse(line);
};

const span = trace.wrapSpanContext({
  traceId: "0190a0b412344abc8def0123456789ab",
  spanId: "00f067aa0ba902b7",
  traceFlags: TraceFlags.SAMPLED,
});

describe("the line of a request", () => {
  test("tells what it was, what became of it, and its trace", () => {
    expect(lineOf()).toEqual({
      time: "2026-11-28T06:00:00.012Z",
      level: "info",
      message: "request",
      "service.name": "test-origin",
      "service.version": "1.2.3",
      "http.request.method": "GET",
      "http.route": "/products/:id",
      "http.response.status_code": 200,
      durationMs: 12.5,
      requestId: ENTRY.requestId,
      trace_id: "0190a0b412344abc8def0123456789ab",
      sampled: false,
    });
  });

  test("names the span where the trace is kept, and what the cache made of it", () => {
    expect(lineOf({ span, cacheOutcome: "stale" })).toMatchObject({
      span_id: "00f067aa0ba902b7",
      sampled: true,
      cache: "stale",
    });
  });

  test("has no route where none fits", () => {
    expect(lineOf({ route: { method: "_OTHER", path: "" } })).not.toHaveProperty("http.route");
  });

  test.each([
    [200, undefined],
    [404, undefined],
    [500, "500"],
    [503, "503"],
  ])("of an answer %i has %s as its error", (status, type) => {
    expect(lineOf({ status })["error.type"]).toBe(type);
  });
});
