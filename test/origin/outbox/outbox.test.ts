import { expect, test } from "vitest";
import { backoffMs } from "../../../src/origin/outbox/outbox.ts";

test.each([
  [1, 1_000],
  [2, 2_000],
  [6, 32_000],
  [7, 60_000],
  [100_000, 60_000],
])("the backoff after %d attempts is %d ms, of which jitter removes up to half", (attempts, ms) => {
  expect(backoffMs(attempts, 0)).toBe(ms);
  expect(backoffMs(attempts, 1)).toBe(ms / 2);
});
