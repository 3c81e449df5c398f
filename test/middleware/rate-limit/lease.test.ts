import fc from "fast-check";
import { expect, test } from "vitest";
import { Lease } from "../../../src/middleware/rate-limit/bucket-state.ts";

test("tokens are used once", () => {
  const lease = new Lease();
  lease.add(3, 100);
  expect(lease.use(2, 0)).toBe(100);
  expect(lease.use(2, 0)).toBeUndefined();
  expect(lease.use(1, 0)).toBe(100);
  expect(lease.tokens(0)).toBe(0);
});

test("tokens expire", () => {
  const lease = new Lease();
  lease.add(3, 100);
  lease.add(2, 200);
  expect(lease.tokens(99)).toBe(5);
  expect(lease.tokens(100)).toBe(2);
  expect(lease.use(1, 200)).toBeUndefined();
});

test("tokens that expire first are used first, in whichever order they were added", () => {
  const lease = new Lease();
  lease.add(1, 300);
  lease.add(1, 100);
  lease.add(1, 200);
  expect([lease.use(1, 0), lease.use(1, 0), lease.use(1, 0)]).toEqual([100, 200, 300]);
});

test("tokens used together expire with the first of them", () => {
  const lease = new Lease();
  lease.add(1, 100);
  lease.add(5, 200);
  expect(lease.use(3, 0)).toBe(100);
  expect(lease.tokens(150)).toBe(3);
});

test("tokens can be counted by the time they remain valid", () => {
  const lease = new Lease();
  lease.add(1, 100);
  lease.add(5, 200);
  expect(lease.tokens(0, 100)).toBe(5);
});

test("adding no tokens changes nothing", () => {
  const lease = new Lease();
  lease.add(0, 100);
  expect(lease.tokens(0)).toBe(0);
});

test("it never gives more tokens than were added, nor any after their expiry", () => {
  const anyStep = fc.oneof(
    fc.record({ add: fc.integer({ min: 0, max: 20 }), lifeMs: fc.integer({ min: 1, max: 100 }) }),
    fc.record({ use: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ passMs: fc.integer({ min: 0, max: 50 }) }),
  );
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
      const lease = new Lease();
      let nowMs = 0;
      /** The expiry of each token. */
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
