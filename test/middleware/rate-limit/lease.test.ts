import fc from "fast-check";
import { expect, test } from "vitest";
import { Lease } from "../../../src/middleware/rate-limit/bucket-state.ts";

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
