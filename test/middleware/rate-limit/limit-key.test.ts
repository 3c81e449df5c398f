import fc from "fast-check";
import { expect, test } from "vitest";
import { VERSION_FIELD } from "../../../src/middleware/auth/api-keys.ts";
import { limitKey, overrideField, writeOverride } from "../../../src/middleware/rate-limit/limit-store.ts";
import { limitOf } from "./support/scene.ts";

test.each([
  ["client", "alice", { bucket: "test:c:192.0.2.1", overrideField: undefined }],
  ["principal", "alice", { bucket: "test:p:alice", overrideField: "test:alice" }],
  ["principal", undefined, { bucket: "test:c:192.0.2.1", overrideField: undefined }],
  // Never keyed like a client, whatever the principal's name.
  ["principal", "192.0.2.1", { bucket: "test:p:192.0.2.1", overrideField: "test:192.0.2.1" }],
] as const)("the key of a limit per %s for the principal %s is %o", (per, principal, key) => {
  expect(limitKey(limitOf({ per }), { network: "192.0.2.1", principal })).toEqual(key);
});

test("an override's field is unique to the limit and principal, and never the version field", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,62}$/);
  const pair = fc.tuple(name, fc.string({ unit: "binary", minLength: 1, maxLength: 200 }));
  fc.assert(
    fc.property(pair, pair, (one, other) => {
      expect(overrideField(...one) === overrideField(...other)).toBe(one.join("\n") === other.join("\n"));
      expect(overrideField(...one)).not.toBe(VERSION_FIELD);
    }),
  );
});

test("a written override is two decimal numbers without loss of precision", () => {
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
