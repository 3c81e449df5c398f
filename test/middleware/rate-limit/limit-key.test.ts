import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VERSION_FIELD } from "../../../src/middleware/auth/api-keys.ts";
import {
  limitKeys,
  overrideField,
  publishedOverridesName,
  writeOverride,
} from "../../../src/middleware/rate-limit/limit-store.ts";
import { limitOf } from "./support/scene.ts";

const limitKey = limitKeys(2);
const perClient = limitOf({ name: "reads", per: "client" });
const perPrincipal = limitOf({ name: "writes", per: "principal" });
const bucketOf = (address: string): string => limitKey(perClient, { address, principal: undefined }).bucket;

describe("a limit per principal", () => {
  test("is keyed by the principal, whatever its address, and can be overridden", () => {
    const key = limitKey(perPrincipal, { address: "192.0.2.1", principal: "alice" });
    expect(key).toEqual({ bucket: "writes:p:alice", overrideField: "writes:alice" });
  });

  test("is keyed by the client if there is no principal", () => {
    const key = limitKey(perPrincipal, { address: "192.0.2.1", principal: undefined });
    expect(key).toEqual({ bucket: "writes:c:192.0.2.1", overrideField: undefined });
  });

  test("is never keyed like a client, whatever the principal's name", () => {
    const named = limitKey(perPrincipal, { address: "::1", principal: "192.0.2.1" });
    expect(named.bucket).not.toBe(
      limitKey(perPrincipal, { address: "192.0.2.1", principal: undefined }).bucket,
    );
  });
});

describe("a limit per client", () => {
  test("is keyed by the address, whatever the principal", () => {
    expect(limitKey(perClient, { address: "192.0.2.1", principal: "alice" })).toEqual({
      bucket: "reads:c:192.0.2.1",
      overrideField: undefined,
    });
  });

  test.each([
    ["another address within a /64", "2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"],
    ["another way to write it", "2001:DB8:0:0::1", "2001:db8::1"],
    ["IPv4 mapped into IPv6", "::ffff:192.0.2.1", "192.0.2.1"],
    ["IPv4 mapped into IPv6, in hexadecimal", "::ffff:c000:201", "192.0.2.1"],
  ])("is the same for %s", (_, one, other) => {
    expect(bucketOf(one)).toBe(bucketOf(other));
  });

  test("is different for the next /64", () => {
    expect(bucketOf("2001:db8:1:2::1")).not.toBe(bucketOf("2001:db8:1:3::1"));
  });

  test.each([
    "",
    "unknown",
    "x".repeat(10_000),
  ])("has a short key, never an empty one, for an invalid address", (text) => {
    expect(bucketOf(text)).toMatch(/^reads:c:\?.{0,64}$/);
  });
});

const limitName = fc.stringMatching(/^[a-z][a-z0-9-]{0,62}$/);
const principal = fc.string({ unit: "binary", minLength: 1, maxLength: 200 });

test("the name of the hash starts with the prefix", () => {
  expect(publishedOverridesName("breakwater:")).toBe("breakwater:limit-overrides");
});

describe("an override's field", () => {
  test.each([
    ["orders", "acme", "orders:acme"],
    ["orders", "acme:eu", "orders:acme:eu"],
    ["orders-eu", "@version", "orders-eu:@version"],
    ["orders", "__proto__", "orders:__proto__"],
  ])("for %s and %s is %s", (name, who, field) => {
    expect(overrideField(name, who)).toBe(field);
  });

  test("is unique to the limit and principal", () => {
    const pair = fc.tuple(limitName, principal);
    fc.assert(
      fc.property(pair, pair, (one, other) => {
        expect(overrideField(...one) === overrideField(...other)).toBe(one.join("\n") === other.join("\n"));
      }),
    );
  });

  test("is never the version field", () => {
    fc.assert(
      fc.property(limitName, principal, (name, who) => {
        expect(overrideField(name, who)).not.toBe(VERSION_FIELD);
      }),
    );
  });
});

describe("a written override", () => {
  test.each([
    [1, 1, "1 1"],
    [300, 0.5, "300 0.5"],
    [1_000_000_000, 0.000001, "1000000000 0.000001"],
    [2.5, 1_000_000, "2.5 1000000"],
  ])("with capacity %d and refill %d is %j", (capacity, refillPerSecond, text) => {
    expect(writeOverride({ capacity, refillPerSecond })).toBe(text);
  });

  test("is two decimal numbers without loss of precision", () => {
    const numbers = fc.record({
      capacity: fc.double({ min: 1, max: 1e9, noNaN: true }),
      refillPerSecond: fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
    });
    fc.assert(
      fc.property(numbers, (override) => {
        const text = writeOverride(override);
        expect(text).toMatch(/^[\d.]+ [\d.]+$/);
        const [capacity, refillPerSecond] = text.split(" ").map(Number);
        expect({ capacity, refillPerSecond }).toEqual(override);
      }),
    );
  });
});
