import fc from "fast-check";
import { expect, test } from "vitest";
import { Lease } from "../../../src/middleware/rate-limit/lease.ts";

test("tokens are used once", () => {
  const lease = new Lease();
  lease.add(3, 100);
  expect(lease.use(2, 0)).toBe(100);
  expect(lease.use(2, 0)).toBeUndefined();
  expect(lease.use(1, 0)).toBe(100);
  expect(lease.tokens(0)).toBe(0);
});

test("tokens end by their time", () => {
  const lease = new Lease();
  lease.add(3, 100);
  lease.add(2, 200);
  expect(lease.tokens(99)).toBe(5);
  expect(lease.tokens(100)).toBe(2);
  expect(lease.use(1, 200)).toBeUndefined();
});

test("what ends first is used first, in whichever order it came", () => {
  const lease = new Lease();
  lease.add(1, 300);
  lease.add(1, 100);
  lease.add(1, 200);
  expect([lease.use(1, 0), lease.use(1, 0), lease.use(1, 0)]).toEqual([100, 200, 300]);
});

test("what is used of several ends with the first of them", () => {
  const lease = new Lease();
  lease.add(1, 100);
  lease.add(5, 200);
  expect(lease.use(3, 0)).toBe(100);
  expect(lease.tokens(150)).toBe(3);
});

test("only what is good for longer can be counted", () => {
  const lease = new Lease();
  lease.add(1, 100);
  lease.add(5, 200);
  expect(lease.tokens(0, 100)).toBe(5);
});

test("nothing is added for nothing", () => {
  const lease = new Lease();
  lease.add(0, 100);
  expect(lease.tokens(0)).toBe(0);
});

test("however it is added to and used, it never gives more than it got, nor anything later than it may", () => {
  const anyStep = fc.oneof(
    fc.record({ add: fc.integer({ min: 0, max: 20 }), lifeMs: fc.integer({ min: 1, max: 100 }) }),
    fc.record({ use: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ passMs: fc.integer({ min: 0, max: 50 }) }),
  );
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
      const lease = new Lease();
      let nowMs = 0;
      /** One for each token: until when it is good. */
      let tokens: number[] = [];
      for (const step of steps) {
        if ("add" in step) {
          lease.add(step.add, nowMs + step.lifeMs);
          tokens.push(...Array<number>(step.add).fill(nowMs + step.lifeMs));
        } else if ("passMs" in step) {
          nowMs += step.passMs;
        } else if (lease.use(step.use, nowMs) !== undefined) {
          tokens = tokens.filter((untilMs) => untilMs > nowMs).sort((a, b) => a - b);
          expect(tokens.length).toBeGreaterThanOrEqual(step.use);
          tokens.splice(0, step.use);
        }
        expect(lease.tokens(nowMs)).toBeLessThanOrEqual(tokens.filter((untilMs) => untilMs > nowMs).length);
      }
    }),
  );
});
