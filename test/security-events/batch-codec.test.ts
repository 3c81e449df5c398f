import { describe, expect, test } from "vitest";
import { readBatch, readEvent } from "../../src/security-events/batch-codec.ts";
import { bounded } from "../../src/security-events/event.ts";
import { printable } from "../../src/security-events/sanitize.ts";
import { refused } from "./support.ts";

const event = { ...refused(), id: "00000000-0000-4000-8000-000000000001", lastAtMs: 5, count: 2 };
const batch = (changes: object): string =>
  JSON.stringify({ events: [{ ...event, ...changes }], dropped: {} });

describe("a batch", () => {
  test("is read as it was written", () => {
    expect(readBatch(batch({}))).toEqual({ events: [event], dropped: {} });
  });

  test("may tell of more than an older origin knows", () => {
    expect(readBatch(batch({ colour: "red" }))).toEqual({ events: [event], dropped: {} });
  });

  test.each([
    ["no UUID", { id: "1" }],
    ["an unknown type", { type: "weather" }],
    ["no address", { client: "localhost" }],
    ["no count", { count: 0 }],
    ["half a count", { count: 1.5 }],
    ["an end before its beginning", { lastAtMs: -1 }],
    ["a control character", { endpoint: "GET /\n" }],
    ["a secret", { endpoint: `Bearer ${"x".repeat(20)}` }],
    ["a query", { endpoint: "GET /?token=1" }],
    ["too long a text", { endpoint: "x".repeat(201) }],
    ["limits that are none", { limits: [1] }],
    ["a trace id of another form", { traceId: "x" }],
  ])("with %s is refused whole", (_, changes) => {
    expect(readBatch(batch(changes))).toBeUndefined();
  });

  test.each([
    "",
    "null",
    "[]",
    "{}",
    '{"events":[]}',
    '{"events":{},"dropped":{}}',
    "{",
  ])("is not %s", (text) => {
    expect(readBatch(text)).toBeUndefined();
  });

  test("with counts of what there is no type for is refused", () => {
    expect(readBatch('{"events":[],"dropped":{"weather":1}}')).toBeUndefined();
    expect(readBatch('{"events":[],"dropped":{"data_access":-1}}')).toBeUndefined();
    expect(readBatch('{"events":[],"dropped":{"data_access":3}}')?.dropped).toEqual({ data_access: 3 });
  });

  test("of more than a hundred events is refused", () => {
    const text = JSON.stringify({ events: Array.from({ length: 101 }, () => event), dropped: {} });
    expect(readBatch(text)).toBeUndefined();
  });
});

describe("an event", () => {
  test.each([
    [`Authorization: Bearer ${"a".repeat(40)} end`, "Authorization: [secret] end"],
    [`key bwk_${"a".repeat(12)}_${"b".repeat(43)}.`, "key [secret]."],
    [`eyJhbGciOiJIUzI1NiJ9.${"e".repeat(20)}.${"s".repeat(20)}`, "[secret]"],
    ['line\r\n{"level":"fatal"}', 'line\u{fffd}\u{fffd}{"level":"fatal"}'],
    ["\u001b[31mred", "\u{fffd}[31mred"],
    ["grüße 🌊", "grüße 🌊"],
  ])("holds of %j only %j", (text, told) => {
    expect(printable(text, 200)).toBe(told);
  });

  test("is cut between two characters, never within one", () => {
    expect(printable("ab🌊", 3)).toBe("ab");
  });

  test("names a path, never its query", () => {
    const access = bounded({
      type: "data_access",
      user: "alice",
      resource: "/v1/orders?token=1",
      action: "read",
      atMs: 0,
      client: "192.0.2.1",
      route: null,
      requestId: "1",
      traceId: null,
    });
    expect(access).toMatchObject({ resource: "/v1/orders" });
  });

  test("of each type is read", () => {
    const {
      type: _,
      endpoint: __,
      limits: ___,
      ...common
    } = { ...refused(), ...event, endpoint: "", limits: [] };
    for (const own of [
      { type: "auth_failure", user: "alice", reason: "expired" },
      { type: "suspicious_activity", rule: "path-traversal", details: "" },
      { type: "data_access", user: "alice", resource: "/v1/orders", action: "write" },
    ]) {
      expect(readEvent({ ...common, ...own })).toEqual({ ...common, ...own });
    }
  });
});
