import fc from "fast-check";
import { expect, test } from "vitest";
import { type Lease, SingleFlight } from "../../src/resilience/single-flight.ts";

test("a key's lease is exclusive until it is released", () => {
  const flight = new SingleFlight();
  const first = flight.acquire("a", 0);
  expect(flight.acquire("a", 999)).toBeUndefined();
  expect(flight.acquire("b", 0)).toBeDefined();
  if (first !== undefined) expect(flight.release(first)).toBe(true);
  expect(flight.acquire("a", 999)).toBeDefined();
});

test("the lease of a dead holder expires, and its late release does not end the next lease", () => {
  const flight = new SingleFlight();
  const dead = flight.acquire("a", 0);
  expect(flight.heldUntilMs("a", 999)).toBe(1_000);
  const next = flight.acquire("a", 1_000);
  expect(next).toBeDefined();
  if (dead !== undefined) expect(flight.release(dead)).toBe(false);
  expect(flight.acquire("a", 1_001)).toBeUndefined();
});

test("a clock that is set back extends no lease", () => {
  const flight = new SingleFlight();
  flight.acquire("a", 1_000_000);
  expect(flight.acquire("a", 5)).toBeDefined();
});

type Step =
  | { readonly do: "acquire"; readonly key: string }
  | { readonly do: "release"; readonly which: number }
  | { readonly do: "wait"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("acquire" as const), key: fc.constantFrom("a", "b", "c", "d", "e") }),
  fc.record({ do: fc.constant("release" as const), which: fc.nat(100) }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.nat(800) }),
);

test("in any order of calls, a key has one holder at a time, and memory is bounded", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const flight = new SingleFlight(1_000, 5);
      const acquired: Lease[] = [];
      const released = new Set<Lease>();
      let nowMs = 0;
      for (const each of steps) {
        if (each.do === "wait") nowMs += each.ms;
        else if (each.do === "release") {
          const lease = acquired[each.which % Math.max(1, acquired.length)];
          if (lease === undefined) continue;
          flight.release(lease);
          released.add(lease);
        } else {
          const holders = acquired.filter(
            (lease) => lease.key === each.key && lease.untilMs > nowMs && !released.has(lease),
          );
          const lease = flight.acquire(each.key, nowMs);
          expect(lease === undefined).toBe(holders.length > 0);
          if (lease !== undefined) acquired.push(lease);
        }
        expect(flight.size).toBeLessThanOrEqual(5);
      }
    }),
  );
});
