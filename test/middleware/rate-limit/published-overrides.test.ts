import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VERSION_FIELD } from "../../../src/middleware/auth/published-keys.ts";
import {
  overrideField,
  publishedOverridesName,
  writeOverride,
} from "../../../src/middleware/rate-limit/limit-key.ts";

const limitName = fc.stringMatching(/^[a-z][a-z0-9-]{0,62}$/);
const principal = fc.string({ unit: "binary", minLength: 1, maxLength: 200 });

test("the name of the hash begins with the prefix", () => {
  expect(publishedOverridesName("breakwater:")).toBe("breakwater:limit-overrides");
});

describe("an override's field", () => {
  test.each([
    ["orders", "acme", "orders:acme"],
    ["orders", "acme:eu", "orders:acme:eu"],
    ["orders-eu", "@version", "orders-eu:@version"],
    ["orders", "__proto__", "orders:__proto__"],
  ])("of %s and %s is %s", (name, who, field) => {
    expect(overrideField(name, who)).toBe(field);
  });

  test("is of one limit and one principal alone, whatever the principal holds", () => {
    const pair = fc.tuple(limitName, principal);
    fc.assert(
      fc.property(pair, pair, (one, other) => {
        expect(overrideField(...one) === overrideField(...other)).toBe(one.join("\n") === other.join("\n"));
      }),
    );
  });

  test("is never the version's", () => {
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
  ])("of capacity %d and refill %d is %j", (capacity, refillPerSecond, text) => {
    expect(writeOverride({ capacity, refillPerSecond })).toBe(text);
  });

  test("is two decimal numbers that lose nothing", () => {
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
