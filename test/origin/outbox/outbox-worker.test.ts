import { expect, test } from "vitest";
import { jitteredBackoffMs, maxBackoffMs } from "../../../src/origin/outbox/outbox-worker.ts";

test("the backoff doubles from a second to a minute, and jitter removes up to half", () => {
  const attempts = [1, 2, 3, 4, 5, 6, 7, 8, 100, 100_000];
  expect(attempts.map(maxBackoffMs)).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000,
  ]);
  for (const made of attempts) {
    expect(jitteredBackoffMs(made, 0)).toBe(maxBackoffMs(made));
    expect(jitteredBackoffMs(made, 1)).toBe(maxBackoffMs(made) / 2);
  }
});
