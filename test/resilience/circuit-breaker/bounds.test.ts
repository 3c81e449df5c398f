/** Earlier calls expire, and cost neither time nor memory. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { start } from "./scene.ts";

const NEVER = 1_000_000_000;
const WINDOW_MS = 10_000;

test("after an idle window or longer, earlier calls do not count", () => {
  const past = fc.array(fc.record({ isFailure: fc.boolean(), afterMs: fc.nat(2_000) }), { maxLength: 19 });
  fc.assert(
    fc.property(past, fc.integer({ min: WINDOW_MS, max: NEVER }), (calls, idleMs) => {
      const { breaker, fail, succeed } = start({ failureThreshold: NEVER });
      let nowMs = 0;
      for (const { isFailure, afterMs } of calls) {
        if (isFailure) fail(nowMs);
        else succeed(nowMs);
        nowMs += afterMs;
      }
      nowMs += idleMs;
      fail(nowMs, 19);
      expect(breaker.state).toBe("closed");
      fail(nowMs);
      expect(breaker.state).toBe("open");
    }),
  );
});

test("the duration of a call does not grow with the number of earlier calls, settled or not", () => {
  // Otherwise this would time out.
  const { breaker, acquire, fail, succeed } = start({ failureThreshold: NEVER, minimumCalls: NEVER });
  for (let turn = 0; turn < 1_000_000; turn += 1) {
    const nowMs = turn / 100;
    acquire(nowMs);
    if (turn % 2 === 0) succeed(nowMs);
    else fail(nowMs);
  }
  expect(breaker.state).toBe("closed");
});
