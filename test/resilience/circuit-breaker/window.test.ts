import fc from "fast-check";
import { expect, test } from "vitest";
import { CallWindow } from "../../../src/resilience/circuit-breaker/window.ts";

test("a call counts for nine seconds and the rest of its own", () => {
  const window = new CallWindow();
  window.add(1_900, true, true);
  window.advance(10_999);
  expect([window.calls, window.failures, window.slow]).toEqual([1, 1, 1]);
  window.advance(11_000);
  expect([window.calls, window.failures, window.slow]).toEqual([0, 0, 0]);
});

test("an idle time of any length means an empty window", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(60_000), { maxLength: 200 }),
      fc.integer({ min: 10_000, max: 1_000_000_000 }),
      (times, idleMs) => {
        const window = new CallWindow();
        for (const atMs of times) window.add(atMs, true, false);
        window.advance(Math.max(0, ...times) + idleMs);
        expect([window.calls, window.failures]).toEqual([0, 0]);
      },
    ),
  );
});

test("it holds what a list of the last ten seconds' calls would", () => {
  const call = fc.record({ afterMs: fc.nat(3_000), isFailure: fc.boolean(), isSlow: fc.boolean() });
  fc.assert(
    fc.property(fc.array(call, { maxLength: 300 }), (calls) => {
      const window = new CallWindow();
      const list: { second: number; isFailure: boolean; isSlow: boolean }[] = [];
      let nowMs = 0;
      for (const { afterMs, isFailure, isSlow } of calls) {
        nowMs += afterMs;
        const second = Math.floor(nowMs / 1_000);
        window.add(nowMs, isFailure, isSlow);
        list.push({ second, isFailure, isSlow });
        const recent = list.filter((each) => each.second > second - 10);
        expect([window.calls, window.failures, window.slow]).toEqual([
          recent.length,
          recent.filter((each) => each.isFailure).length,
          recent.filter((each) => each.isSlow).length,
        ]);
      }
    }),
  );
});

test("a clock that is set back empties nothing and breaks nothing", () => {
  const window = new CallWindow();
  window.add(50_000, true, false);
  window.add(20_000, true, false);
  expect(window.calls).toBe(2);
  window.advance(60_000);
  expect(window.calls).toBe(0);
});

test("a success without a time counts in the second of the last reading", () => {
  const window = new CallWindow();
  window.advance(1_000);
  window.addSuccess();
  window.advance(10_999);
  expect(window.calls).toBe(1);
  window.advance(11_000);
  expect(window.calls).toBe(0);
});
