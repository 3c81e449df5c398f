import fc from "fast-check";
import { expect, test } from "vitest";
import { type AccessFields, createAccessLine } from "../../../src/telemetry/logging/access-log.ts";
import { createIsoTime } from "../../../src/telemetry/logging/json-text.ts";
import { fitLine } from "../../../src/telemetry/logging/log-line.ts";

const service = { serviceName: "breakwater-edge", serviceVersion: "1.2.3" };
const FIELDS: AccessFields = {
  timeMs: Date.parse("2026-11-28T06:00:00.012Z"),
  method: "GET",
  route: "/products/:id",
  status: 200,
  durationMs: 12.34567,
  requestId: "0190a0b4-0000-7000-8000-000000000000",
  traceId: "0190a0b4000070008000000000000000",
  sampled: false,
};

test("a request's line names what it was, and what became of it", () => {
  const line = createAccessLine(service)({
    ...FIELDS,
    spanId: "00f067aa0ba902b7",
    sampled: true,
    cache: "hit",
    attempts: 2,
    errorType: "timeout",
  });
  expect(Object.entries(JSON.parse(line))).toEqual([
    ["time", "2026-11-28T06:00:00.012Z"],
    ["level", "info"],
    ["message", "request"],
    ["service.name", "breakwater-edge"],
    ["service.version", "1.2.3"],
    ["http.request.method", "GET"],
    ["http.route", "/products/:id"],
    ["http.response.status_code", 200],
    ["durationMs", 12.346],
    ["requestId", FIELDS.requestId],
    ["trace_id", FIELDS.traceId],
    ["span_id", "00f067aa0ba902b7"],
    ["sampled", true],
    ["cache", "hit"],
    ["attempts", 2],
    ["error.type", "timeout"],
  ]);
});

test("what there is nothing of is not in it", () => {
  const line = createAccessLine(service)({ ...FIELDS, route: undefined });
  expect(Object.keys(JSON.parse(line))).toEqual([
    ...["time", "level", "message", "service.name", "service.version", "http.request.method"],
    ...["http.response.status_code", "durationMs", "requestId", "trace_id", "sampled"],
  ]);
});

test("it is a line that needs neither cutting nor masking", () => {
  const line = createAccessLine(service)(FIELDS);
  expect(fitLine(line)).toBe(line);
});

test.each([
  [0, "0"],
  [0.0004, "0"],
  [0.9996, "1"],
  [1.5, "1.5"],
  [12.0049, "12.005"],
  [-1, "0"],
  [Number.NaN, "null"],
  [Number.POSITIVE_INFINITY, "null"],
  [1e300, "1e+300"],
])("a duration of %d ms is written %s", (durationMs, text) => {
  expect(createAccessLine(service)({ ...FIELDS, durationMs })).toContain(`"durationMs":${text},`);
});

test("what is in none of its closed sets is written soundly, without secrets, and not at length", () => {
  const anyText = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      "Bearer S3cr3t",
      "bwk_aB3_-xyz0123_S3cr3t",
      `x?a=${"S3cr3t".repeat(1_000)}`,
      "\u202e\n".repeat(9_999),
    ),
  );
  const write = createAccessLine(service);
  fc.assert(
    fc.property(anyText, fc.double(), (text, number) => {
      const line = write({
        ...FIELDS,
        ...{ timeMs: number, method: text, route: text, status: number, requestId: text, traceId: text },
        ...{ spanId: text, cache: text, attempts: number, errorType: text },
      });
      expect(Object.keys(JSON.parse(line))).toHaveLength(16);
      expect(line).not.toMatch(/S3cr3t|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(new TextEncoder().encode(line).byteLength).toBeLessThan(16_384);
    }),
  );
});

test("times are those of a Date, whatever the order in which they come", () => {
  const isoTime = createIsoTime();
  const anyMs = fc.oneof(
    fc.integer({ min: 0, max: 8.64e15 }),
    fc.integer({ min: 1.7e12, max: 1.7e12 + 3_000 }),
  );
  fc.assert(
    fc.property(anyMs, (ms) => {
      expect(isoTime(ms)).toBe(new Date(ms).toISOString());
    }),
  );
});

test.each([
  Number.NaN,
  -1,
  1e16,
  Number.POSITIVE_INFINITY,
])("%d is no time: the epoch's beginning stands for it", (ms) => {
  expect(createIsoTime()(ms)).toBe("1970-01-01T00:00:00.000Z");
});
