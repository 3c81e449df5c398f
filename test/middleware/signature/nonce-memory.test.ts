import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createNonceMemory } from "../../../src/middleware/signature/verify.ts";

const LIFETIME_MS = 1000;

describe("createNonceMemory", () => {
  test("takes a nonce once", () => {
    const memory = createNonceMemory(LIFETIME_MS);
    expect(memory.take("a", 0)).toBe(true);
    expect(memory.take("a", 0)).toBe(false);
    expect(memory.take("b", 0)).toBe(true);
  });

  test("remembers every nonce for its lifetime, however the requests fall", () => {
    const requests = fc.array(fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.nat(2 * LIFETIME_MS)), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(requests, (steps) => {
        const memory = createNonceMemory(LIFETIME_MS);
        const takenAtMs = new Map<string, number>();
        let nowMs = 0;
        for (const [nonce, waitedMs] of steps) {
          nowMs += waitedMs;
          const taken = memory.take(nonce, nowMs);
          const ageMs = nowMs - (takenAtMs.get(nonce) ?? Number.NEGATIVE_INFINITY);
          if (ageMs <= LIFETIME_MS) expect(taken).toBe(false);
          if (taken) takenAtMs.set(nonce, nowMs);
        }
      }),
    );
  });

  test("forgets every nonce by two lifetimes after it was taken, so that the memory stays small", () => {
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

  test("still knows a nonce when the clock goes back", () => {
    const memory = createNonceMemory(LIFETIME_MS);
    memory.take("a", 10 * LIFETIME_MS);
    expect(memory.take("a", 0)).toBe(false);
  });

  test("remembers as many as one generation holds, however fast they come", () => {
    const maxEntries = 8;
    const memory = createNonceMemory(LIFETIME_MS, maxEntries);
    for (let i = 0; i < 5 * maxEntries; i += 1) {
      expect(memory.take(`n${i}`, 0)).toBe(true);
      for (let known = Math.max(0, i - maxEntries + 1); known <= i; known += 1) {
        expect(memory.take(`n${known}`, 0)).toBe(false);
      }
    }
  });

  test("never holds more than two generations, however fast they come", () => {
    const maxEntries = 8;
    const memory = createNonceMemory(LIFETIME_MS, maxEntries);
    memory.take("first", 0);
    for (let i = 0; i < 2 * maxEntries; i += 1) memory.take(`n${i}`, 0);
    expect(memory.take("first", 0)).toBe(true);
  });
});
