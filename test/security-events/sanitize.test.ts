import { describe, expect, test } from "vitest";
import { sanitize, sanitizeOccurrence } from "../../src/security-events/event.ts";

describe("sanitized text", () => {
  test.each([
    [`Authorization: Bearer ${"a".repeat(40)} end`, "Authorization: [secret] end"],
    [`key bwk_${"a".repeat(12)}_${"b".repeat(42)}c.`, "key [secret]."],
    [`eyJhbGciOiJIUzI1NiJ9.${"e".repeat(20)}.${"s".repeat(20)}`, "[secret]"],
    ['line\r\n{"level":"fatal"}', 'line\u{fffd}\u{fffd}{"level":"fatal"}'],
    ["\u001b[31mred", "\u{fffd}[31mred"],
    ["grüße 🌊", "grüße 🌊"],
  ])("of %j is %j", (text, sanitized) => {
    expect(sanitize(text, 200)).toBe(sanitized);
  });

  test("is not cut within a surrogate pair", () => {
    expect(sanitize("ab🌊", 3)).toBe("ab");
  });
});

test("an event contains the path without its query", () => {
  const access = sanitizeOccurrence({
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
