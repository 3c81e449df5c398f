import { describe, expect, test } from "vitest";
import { staleness } from "./staleness.ts";

const changes = [
  { amount: 2, doneMs: 1_000 },
  { amount: 3, doneMs: 2_000 },
  { amount: 5, doneMs: 3_000 },
];

describe("the staleness of a read", () => {
  test("is the time since the first change that it does not show", () => {
    expect(staleness({ startMs: 3_500, amount: 2 }, changes)).toBe(1_500);
  });

  test("is nothing if it shows the last change before it", () => {
    expect(staleness({ startMs: 2_500, amount: 3 }, changes)).toBe(0);
  });

  test("is nothing if it shows a change whose response was lost", () => {
    expect(staleness({ startMs: 2_500, amount: 4 }, changes)).toBe(0);
  });
});
