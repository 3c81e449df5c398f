import fc from "fast-check";
import { expect, test } from "vitest";
import { nanoseconds } from "../../../src/telemetry/otlp/attributes.ts";

test.each([
  [0, "0"],
  [1, "1000000"],
  [0.25, "250000"],
  [1_700_000_000_123, "1700000000123000000"],
  [1_700_000_000_123.5, "1700000000123500000"],
  [1_700_000_000_123.0625, "1700000000123062500"],
  [0.9999999, "1000000"],
  [1.9999999, "2000000"],
  [18_446_744_073_708, "18446744073708000000"],
  [18_446_744_073_709, "0"],
  [-1, "0"],
  [Number.NaN, "0"],
  [Number.POSITIVE_INFINITY, "0"],
])("%d ms is %s ns", (ms, text) => {
  expect(nanoseconds(ms)).toBe(text);
});

test("no time is off by half a nanosecond or more", () => {
  /** Of 2⁻¹² ms each: what a double holds exactly in our time. */
  const anyTicks = fc.bigInt({ min: 0n, max: 2_000_000_000_000n * 4096n });
  fc.assert(
    fc.property(anyTicks, (ticks) => {
      const doubled = (ticks * 2_000_000n) / 4096n;
      const difference = 2n * BigInt(nanoseconds(Number(ticks) / 4096)) - doubled;
      expect([-1n, 0n, 1n]).toContain(difference);
    }),
  );
});
