import { expect, test } from "vitest";
import { nanoseconds } from "../../../src/telemetry/otlp.ts";

test.each([
  [0, "0"],
  [1, "1000000"],
  [0.25, "250000"],
  [1_700_000_000_123, "1700000000123000000"],
  [1_700_000_000_123.5, "1700000000123500000"],
  [0.9999999, "1000000"],
  [8_640_000_000_000_000, "0"],
  [-1, "0"],
  [Number.NaN, "0"],
  [Number.POSITIVE_INFINITY, "0"],
])("%d ms is %s ns", (ms, text) => {
  expect(nanoseconds(ms)).toBe(text);
});
