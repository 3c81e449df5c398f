import { describe, expect, test } from "vitest";
import type { Exchange } from "./clients.ts";
import { lastAbnormalMs } from "./verdict.ts";

const exchange = (startMs: number, durationMs: number, status = 200): Exchange => ({
  action: "read",
  status,
  startMs,
  durationMs,
});
const fast = Array.from({ length: 100 }, (_, n) => exchange(n * 10, 20));

describe("the last abnormal request", () => {
  test("is none if all are fast", () => {
    expect(lastAbnormalMs(fast, 500)).toBe(Number.NEGATIVE_INFINITY);
  });

  test("is a single one that failed", () => {
    expect(lastAbnormalMs([...fast, exchange(700, 100, 503), exchange(300, 5, 0)], 500)).toBe(800);
  });

  test("is a slow one, if the p99 of its second is slow", () => {
    const slow = [exchange(100, 600), exchange(200, 700), exchange(300, 900)];
    expect(lastAbnormalMs([...fast, ...slow], 500)).toBe(1_200);
  });

  test("is not a slow one among a hundred fast ones", () => {
    expect(lastAbnormalMs([...fast, exchange(100, 600)], 500)).toBe(Number.NEGATIVE_INFINITY);
  });
});
