import fc from "fast-check";
import { expect, test } from "vitest";
import {
  createInvalidationClock,
  createInvalidations,
} from "../../../src/middleware/response-cache/invalidations.ts";

test("what was made up to the moment of a write is old, what is made after it is not", () => {
  const invalidations = createInvalidations();
  invalidations.note(["products"], 7);
  expect(invalidations.isOld(["products"], 7)).toBe(true);
  expect(invalidations.isOld(["products"], 8)).toBe(false);
  expect(invalidations.isOld(["orders"], 1)).toBe(false);
});

test("one old tag of several makes an answer old", () => {
  const invalidations = createInvalidations();
  invalidations.note(["a"], 3);
  invalidations.note(["b"], 5);
  expect(invalidations.isOld(["a", "b", "c"], 4)).toBe(true);
  expect(invalidations.last(["a", "b", "c"])).toBe(5);
  expect(invalidations.last(["c"])).toBeUndefined();
});

test("however few tags are remembered, nothing that a write made old is ever taken for new", () => {
  const tag = fc.constantFrom("a", "b", "c", "d", "e", "f");
  const write = fc.record({ tag, after: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 100 }), fc.integer({ min: 1, max: 4 }), (writes, most) => {
      const invalidations = createInvalidations(most);
      const exact = new Map<string, number>();
      let moment = 0;
      for (const each of writes) {
        moment += each.after;
        invalidations.note([each.tag], moment);
        exact.set(each.tag, moment);
        for (const [name, last] of exact) {
          expect(invalidations.isOld([name], last)).toBe(true);
          expect(invalidations.isOld([name], last - 1)).toBe(true);
        }
        // What is made now is new in any case.
        expect(invalidations.isOld([...exact.keys()], moment + 1)).toBe(false);
      }
    }),
  );
});

test("a clock that is set back makes nothing new that was old", () => {
  const invalidations = createInvalidations();
  invalidations.note(["a"], 100);
  invalidations.note(["a"], 50);
  expect(invalidations.isOld(["a"], 100)).toBe(true);
});

test("what is made after an invalidation is newer, within the same millisecond and if the clock is set back", () => {
  const nowMs = fc.constantFrom(100, 100, 101, 50, 1_800_000_000_000);
  fc.assert(
    fc.property(fc.array(fc.record({ nowMs, isWrite: fc.boolean() }), { maxLength: 50 }), (steps) => {
      let clockMs = 100;
      const clock = createInvalidationClock(() => clockMs);
      let made = { asOfMs: clock.now(), writes: 0 };
      let writes = 0;
      for (const step of steps) {
        clockMs = step.nowMs;
        if (step.isWrite) {
          clock.invalidate(["a"]);
          writes += 1;
        } else {
          made = { asOfMs: clock.now(), writes };
        }
        expect(clock.isInvalidated(["a"], made.asOfMs)).toBe(made.writes < writes);
      }
    }),
  );
});

test("the age below which nothing is invalidated counts from the last write", () => {
  let clockMs = 1_000;
  const clock = createInvalidationClock(() => clockMs);
  expect(clock.maxAgeS(["a"])).toBeUndefined();
  clock.invalidate(["a"]);
  clockMs += 2_999;
  expect([clock.maxAgeS(["a", "b"]), clock.maxAgeS(["b"])]).toEqual([2, undefined]);
});
