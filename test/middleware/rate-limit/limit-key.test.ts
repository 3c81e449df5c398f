import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VERSION_FIELD } from "../../../src/middleware/auth/api-keys.ts";
import {
  limitKey,
  overrideField,
  publishedOverridesName,
  writeOverride,
} from "../../../src/middleware/rate-limit/limit-store.ts";
import { limitOf } from "./support/scene.ts";

test.each([
  ["client", "alice", { bucket: "test:c:192.0.2.1", overrideField: undefined }],
  ["principal", "alice", { bucket: "test:p:alice", overrideField: "test:alice" }],
  ["principal", undefined, { bucket: "test:c:192.0.2.1", overrideField: undefined }],
  // Never keyed like a client, whatever the principal's name.
  ["principal", "192.0.2.1", { bucket: "test:p:192.0.2.1", overrideField: "test:192.0.2.1" }],
] as const)("a limit per %s has for the principal %s the key %o", (per, who, key) => {
  expect(limitKey(limitOf({ per }), { network: "192.0.2.1", principal: who })).toEqual(key);
});

const limitName = fc.stringMatching(/^[a-z][a-z0-9-]{0,62}$/);
const principal = fc.string({ unit: "binary", minLength: 1, maxLength: 200 });

test("the name of the hash starts with the prefix", () => {
  expect(publishedOverridesName("breakwater:")).toBe("breakwater:limit-overrides");
});

describe("an override's field", () => {
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
