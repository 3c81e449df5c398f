import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createNonceMemory } from "../../../src/middleware/signature/verify.ts";

const LIFETIME_MS = 1_000;

describe("a nonce", () => {
  test("is new once", () => {
    const memory = createNonceMemory(LIFETIME_MS);
    expect(["a", "a", "b"].map((nonce) => memory.take(nonce, 0))).toEqual([true, false, true]);
  });

  test("is remembered for its lifetime, at any times of requests", () => {
    const request = fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.nat(2 * LIFETIME_MS));
    fc.assert(
      fc.property(fc.array(request, { maxLength: 40 }), (steps) => {
        const memory = createNonceMemory(LIFETIME_MS);
        const takenAtMs = new Map<string, number>();
        let nowMs = 0;
        for (const [nonce, waitedMs] of steps) {
          nowMs += waitedMs;
          const isNew = memory.take(nonce, nowMs);
          const ageMs = nowMs - (takenAtMs.get(nonce) ?? Number.NEGATIVE_INFINITY);
          if (ageMs <= LIFETIME_MS) expect(isNew).toBe(false);
          if (isNew) takenAtMs.set(nonce, nowMs);
        }
      }),
    );
  });

  test("is forgotten after two lifetimes, so that memory is bounded", () => {
    const waits = fc.array(fc.nat(LIFETIME_MS), { maxLength: 40 });
    fc.assert(
      fc.property(waits, fc.nat(LIFETIME_MS), (steps, furtherMs) => {
        const memory = createNonceMemory(LIFETIME_MS);
        let nowMs = 0;
        for (const [index, waitedMs] of steps.entries()) {
          nowMs += waitedMs;
          memory.take(`other-${index}`, nowMs);
        }
        memory.take("a", nowMs);
        memory.take("b", nowMs + LIFETIME_MS);
        expect(memory.take("a", nowMs + 2 * LIFETIME_MS + furtherMs)).toBe(true);
      }),
    );
  });

  test("is still remembered when the clock is set back", () => {
    const memory = createNonceMemory(LIFETIME_MS);
    memory.take("a", 10 * LIFETIME_MS);
    expect(memory.take("a", 0)).toBe(false);
  });
});

test("the memory holds at least one generation and at most two, at any rate", () => {
  const maxEntries = 8;
  const memory = createNonceMemory(LIFETIME_MS, maxEntries);
  memory.take("first", 0);
  for (let i = 0; i < 5 * maxEntries; i += 1) {
    expect(memory.take(`n${i}`, 0)).toBe(true);
    for (let known = Math.max(0, i - maxEntries + 1); known <= i; known += 1)
      expect(memory.take(`n${known}`, 0)).toBe(false);
  }
  expect(memory.take("first", 0)).toBe(true);
});
