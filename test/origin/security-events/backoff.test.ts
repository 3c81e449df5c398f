import { expect, test } from "vitest";
import { backoffMs, longestBackoffMs } from "../../../src/origin/security-events/backoff.ts";

test("a backoff doubles from a second to a minute, and chance takes up to a half", () => {
  const attempts = [1, 2, 3, 4, 5, 6, 7, 8, 100, 100_000];
  expect(attempts.map(longestBackoffMs)).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000,
  ]);
  for (const made of attempts) {
    expect(backoffMs(made, 0)).toBe(longestBackoffMs(made));
    expect(backoffMs(made, 1)).toBe(longestBackoffMs(made) / 2);
  }
});
