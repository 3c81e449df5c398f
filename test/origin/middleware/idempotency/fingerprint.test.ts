import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fingerprint, keyOf, lockNumber } from "../../../../src/origin/middleware/idempotency/store.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const request = { method: "POST", target: "/v1/orders?a=1", body: bytes('{"a":1}') };

describe("a request's fingerprint", () => {
  test("is the same for the same request, and short", () => {
    expect(fingerprint(request)).toBe(fingerprint({ ...request, body: bytes('{"a":1}') }));
    expect(fingerprint(request)).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  });

  test.each([
    ["method", { ...request, method: "PUT" }],
    ["path", { ...request, target: "/v1/order?a=1" }],
    ["query", { ...request, target: "/v1/orders?a=2" }],
    ["body", { ...request, body: bytes('{"a":2}') }],
    ["form of the body", { ...request, body: bytes('{"a": 1}') }],
    ["body, an empty one", { ...request, body: bytes("") }],
    ["border between target and body", { ...request, target: "/v1/orders?a=1{", body: bytes('"a":1}') }],
  ])("differs for another %s", (_, other) => {
    expect(fingerprint(other)).not.toBe(fingerprint(request));
  });
});

test.each([
  ['"4c1e"', "4c1e"],
  ["4c1e", "4c1e"],
  ['"a\\"b"', 'a\\"b'],
])("the key of the field %s is %s, without quotes", (field, key) => {
  expect(keyOf(field)).toBe(key);
});

describe("a key's lock number", () => {
  test("is a PostgreSQL bigint, whatever the key", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (principal, key) => {
        const number = lockNumber(principal, key);
        expect(number).toMatch(/^-?\d+$/);
        expect(BigInt.asIntN(64, BigInt(number))).toBe(BigInt(number));
      }),
    );
  });

  test("uses its whole range: both signs, and more than 53 bits", () => {
    const numbers = Array.from({ length: 100 }, (_, n) => BigInt(lockNumber("alice", String(n))));
    expect(numbers.some((number) => number < 0n)).toBe(true);
    expect(numbers.some((number) => number > BigInt(Number.MAX_SAFE_INTEGER))).toBe(true);
  });

  test("is the same only for the same key of the same principal", () => {
    expect(lockNumber("alice", "k")).toBe(lockNumber("alice", "k"));
    expect(lockNumber("bob", "k")).not.toBe(lockNumber("alice", "k"));
    expect(lockNumber("alicek", "")).not.toBe(lockNumber("alice", "k"));
  });
});
