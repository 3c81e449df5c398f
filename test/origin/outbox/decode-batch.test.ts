import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBatch, decodeEvent } from "../../../src/origin/outbox/decode-batch.ts";
import { encodeBatch, MAX_BATCH_BYTES, MAX_BATCH_EVENTS } from "../../../src/security-events/aggregator.ts";
import { sanitizeOccurrence } from "../../../src/security-events/event.ts";
import { refused } from "../../security-events/support.ts";

const event = { ...refused(), id: "00000000-0000-4000-8000-000000000001", lastAtMs: 5, count: 2 };
const batch = (changes: object): string =>
  JSON.stringify({ events: [{ ...event, ...changes }], dropped: {} });

describe("a batch", () => {
  test("is decoded as it was encoded", () => {
    expect(decodeBatch(batch({}))).toEqual({ events: [event], dropped: {} });
  });

  test("may have fields that an older origin does not support", () => {
    expect(decodeBatch(batch({ color: "red" }))).toEqual({ events: [event], dropped: {} });
  });

  test.each([
    ["an invalid id", { id: "1" }],
    ["an unknown type", { type: "weather" }],
    ["an invalid address", { client: "localhost" }],
    ["no count", { count: 0 }],
    ["a fractional count", { count: 1.5 }],
    ["an end before its beginning", { lastAtMs: -1 }],
    ["a control character", { endpoint: "GET /\n" }],
    ["a secret", { endpoint: `Bearer ${"x".repeat(20)}` }],
    ["a query", { endpoint: "GET /?token=1" }],
    ["text that is too long", { endpoint: "x".repeat(201) }],
    ["invalid limits", { limits: [1] }],
    ["an invalid trace id", { traceId: "x" }],
  ])("with %s is rejected as a whole", (_, changes) => {
    expect(decodeBatch(batch(changes))).toBeUndefined();
  });

  test.each([
    "",
    "null",
    "[]",
    "{}",
    '{"events":[]}',
    '{"events":{},"dropped":{}}',
    "{",
    '{"events":[],"dropped":{"weather":1}}',
    '{"events":[],"dropped":{"data_access":-1}}',
    JSON.stringify({ events: Array.from({ length: 101 }, () => event), dropped: {} }),
  ])("is not %.60j", (text) => {
    expect(decodeBatch(text)).toBeUndefined();
  });

  test("has the counts of dropped events", () => {
    expect(decodeBatch('{"events":[],"dropped":{"data_access":3}}')?.dropped).toEqual({ data_access: 3 });
  });
});

describe("an event", () => {
  const { type: _, endpoint: __, limits: ___, ...common } = { endpoint: "", limits: [], ...event };

  test.each([
    { type: "auth_failure", user: "alice", reason: "expired" },
    { type: "suspicious_activity", rule: "path-traversal", details: "" },
    { type: "data_access", user: "alice", resource: "/v1/orders", action: "write" },
  ])("of the type $type is decoded", (own) => {
    expect(decodeEvent({ ...common, ...own })).toEqual({ ...common, ...own });
  });
});

/** Any code units, many of them. */
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 900 }),
  fc.array(fc.nat(0xffff), { maxLength: 300 }).map((units) => String.fromCharCode(...units)),
);

test("any sanitized batch is decoded as it was encoded, and within its size", () => {
  fc.assert(
    fc.property(anyText, anyText, anyText, anyText, (one, two, three, four) => {
      const sanitized = sanitizeOccurrence({
        type: "data_access",
        user: `u${one}`,
        resource: `/${two}`,
        action: "read",
        atMs: 1_700_000_000_000,
        client: "2001:db8::1",
        route: `r${three}`,
        requestId: `i${four}`,
        traceId: "0123456789abcdef0123456789abcdef",
      });
      const { id } = event;
      const largest = { ...sanitized, id, lastAtMs: sanitized.atMs, count: 1_000_000_000 };
      const events = Array.from({ length: MAX_BATCH_EVENTS }, () => largest);
      const text = encodeBatch({ events, dropped: { data_access: 7 } });
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_BATCH_BYTES);
      expect(decodeBatch(text)).toEqual({ events, dropped: { data_access: 7 } });
    }),
    { numRuns: 50 },
  );
});
