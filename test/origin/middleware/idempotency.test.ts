import { describe, expect, test } from "vitest";
import { fingerprint, keyOf } from "../../../src/origin/middleware/idempotency.ts";

const of = (method: string, target: string, body: string): string =>
  fingerprint(method, target, new TextEncoder().encode(body));

describe("a request's fingerprint", () => {
  const request = ["POST", "/v1/orders?a=1", '{"a":1}'] as const;

  test("is the same for the same request, and short", () => {
    expect(of(...request)).toBe(of(...request));
    expect(of(...request)).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  });

  test.each<[string, [string, string, string]]>([
    ["method", ["PUT", "/v1/orders?a=1", '{"a":1}']],
    ["path", ["POST", "/v1/order?a=1", '{"a":1}']],
    ["query", ["POST", "/v1/orders?a=2", '{"a":1}']],
    ["body", ["POST", "/v1/orders?a=1", '{"a":2}']],
    ["form of the body", ["POST", "/v1/orders?a=1", '{"a": 1}']],
    ["body, an empty one", ["POST", "/v1/orders?a=1", ""]],
    ["border between target and body", ["POST", "/v1/orders?a=1{", '"a":1}']],
  ])("differs for another %s", (_, other) => {
    expect(of(...other)).not.toBe(of(...request));
  });
});

test.each([
  ['"4c1e"', "4c1e"],
  ["4c1e", "4c1e"],
  ['"a\\"b"', 'a\\"b'],
])("the key of the field %s is %s, without quotes", (field, key) => {
  expect(keyOf(field)).toBe(key);
});
