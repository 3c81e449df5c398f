import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { createInvalidations } from "../../../src/middleware/response-cache/invalidations.ts";

let clockMs: number;
const now = (): number => clockMs;
beforeEach(() => {
  clockMs = 1_000;
});

test("a write invalidates older responses with one of its tags", () => {
  const invalidations = createInvalidations(now);
  const before = invalidations.now();
  invalidations.invalidate(["products", "products/1"]);
  const after = invalidations.now();
  expect(invalidations.isInvalidated(["other", "products"], before)).toBe(true);
  expect(invalidations.isInvalidated(["products"], after)).toBe(false);
  expect(invalidations.isInvalidated(["orders"], before)).toBe(false);
});

test("a response that follows a write is newer, within the same millisecond and if the clock is set back", () => {
  const nowMs = fc.constantFrom(100, 100, 101, 50, 1_800_000_000_000);
  fc.assert(
    fc.property(fc.array(fc.record({ nowMs, isWrite: fc.boolean() }), { maxLength: 50 }), (steps) => {
      clockMs = 100;
      const invalidations = createInvalidations(now);
      let response = { asOfMs: invalidations.now(), writes: 0 };
      let writes = 0;
      for (const step of steps) {
        clockMs = step.nowMs;
        if (step.isWrite) {
          invalidations.invalidate(["a"]);
          writes += 1;
        } else {
          response = { asOfMs: invalidations.now(), writes };
        }
        expect(invalidations.isInvalidated(["a"], response.asOfMs)).toBe(response.writes < writes);
      }
    }),
  );
});

test("an invalidated response never passes as new, however few tags are remembered", () => {
  const write = fc.record({ tag: fc.constantFrom("a", "b", "c", "d", "e", "f"), afterMs: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 100 }), fc.integer({ min: 1, max: 4 }), (writes, maxTags) => {
      clockMs = 1_000;
      const invalidations = createInvalidations(now, maxTags);
      const written = new Map<string, number>();
      for (const { tag, afterMs } of writes) {
        clockMs += afterMs;
        written.set(tag, invalidations.now());
        invalidations.invalidate([tag]);
        for (const [name, atMs] of written) expect(invalidations.isInvalidated([name], atMs)).toBe(true);
        expect(invalidations.isInvalidated([...written.keys()], invalidations.now())).toBe(false);
      }
    }),
  );
});

test("the maximum age counts from the last write to a tag", () => {
  const invalidations = createInvalidations(now);
  expect(invalidations.maxAgeS(["a"])).toBeUndefined();
  invalidations.invalidate(["a"]);
  clockMs += 2_999;
  expect([invalidations.maxAgeS(["a", "b"]), invalidations.maxAgeS(["b"])]).toEqual([2, undefined]);
});
