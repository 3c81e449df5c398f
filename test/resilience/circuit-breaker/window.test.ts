import fc from "fast-check";
import { expect, test } from "vitest";
import { CallWindow } from "../../../src/resilience/circuit-breaker/window.ts";

test("totals equal those of a list of the last ten seconds' calls", () => {
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
        expect(window.totals()).toEqual({
          calls: recent.length,
          failures: recent.filter((each) => each.isFailure).length,
          slow: recent.filter((each) => each.isSlow).length,
        });
      }
    }),
  );
});

test("if the clock is set back, earlier calls still count, and expire once it has caught up", () => {
  const window = new CallWindow();
  window.add(50_000, true, false);
  window.add(20_000, true, false);
  expect(window.totals().calls).toBe(2);
  window.add(60_000, false, false);
  expect(window.totals()).toEqual({ calls: 1, failures: 0, slow: 0 });
});
