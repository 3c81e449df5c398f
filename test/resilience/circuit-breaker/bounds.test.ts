/** The past of a breaker is bounded, in time and in cost. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Breaker,
  type BreakerOptions,
  createBreaker,
} from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";

const NEVER = 1_000_000_000;
const WINDOW_MS = 10_000;

const start = (options: BreakerOptions) => {
  let nowMs = 0;
  const breaker = createBreaker(options, { now: () => nowMs, random: () => 0.5 });
  const wait = (ms: number): void => {
    nowMs += ms;
  };
  return { breaker, wait };
};

const call = (breaker: Breaker, isFailure: boolean): void => {
  const permit = breaker.tryAcquire();
  if (!permit.granted) throw new Error("rejected");
  if (isFailure) permit.fail();
  else permit.ok();
};

test("after an idle window or longer, earlier calls do not count", () => {
  const past = fc.array(fc.record({ isFailure: fc.boolean(), afterMs: fc.nat(2_000) }), { maxLength: 19 });
  fc.assert(
    fc.property(past, fc.integer({ min: WINDOW_MS, max: NEVER }), (calls, idleMs) => {
      const { breaker, wait } = start({ failureThreshold: NEVER });
      for (const { isFailure, afterMs } of calls) {
        call(breaker, isFailure);
        wait(afterMs);
      }
      wait(idleMs);
      for (let turn = 0; turn < 19; turn += 1) call(breaker, true);
      expect(breaker.state).toBe("closed");
      call(breaker, true);
      expect(breaker.state).toBe("open");
    }),
  );
});

test("a call takes the same time after a million others, settled or not", () => {
  // Would not end if the time of a call grew with their number.
  const { breaker, wait } = start({ failureThreshold: NEVER, minimumCalls: NEVER });
  for (let turn = 0; turn < 1_000_000; turn += 1) {
    breaker.tryAcquire();
    call(breaker, turn % 2 === 0);
    if (turn % 1_000 === 0) wait(7);
  }
  expect(breaker.state).toBe("closed");
});
