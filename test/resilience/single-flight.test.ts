import fc from "fast-check";
import { expect, test } from "vitest";
import { type Lease, SingleFlight } from "../../src/resilience/single-flight.ts";

test("who comes first holds the key, and nobody else does until it is given back", () => {
  const leases = new SingleFlight();
  const first = leases.acquire("a", 0);
  expect(leases.acquire("a", 999)).toBeUndefined();
  expect(leases.acquire("b", 0)).toBeDefined();
  if (first !== undefined) leases.release(first);
  expect(leases.acquire("a", 999)).toBeDefined();
});

test("a holder that dies leaves its place after a second, and its late end ends nobody else's lease", () => {
  const leases = new SingleFlight();
  const dead = leases.acquire("a", 0);
  expect(leases.heldUntilMs("a", 999)).toBe(1_000);
  const next = leases.acquire("a", 1_000);
  expect(next).toBeDefined();
  if (dead !== undefined) leases.release(dead);
  expect(leases.acquire("a", 1_001)).toBeUndefined();
});

test("a clock that is set back holds nobody longer than a lease", () => {
  const leases = new SingleFlight();
  leases.acquire("a", 1_000_000);
  expect(leases.acquire("a", 5)).toBeDefined();
});

type Step =
  | { readonly do: "take"; readonly key: string }
  | { readonly do: "end"; readonly which: number }
  | { readonly do: "wait"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("take" as const), key: fc.constantFrom("a", "b", "c", "d", "e") }),
  fc.record({ do: fc.constant("end" as const), which: fc.nat(100) }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.nat(800) }),
);

test("however they are taken and given back, a key has one holder at a time, and memory is bounded", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const leases = new SingleFlight(1_000, 5);
      const taken: Lease[] = [];
      const ended = new Set<Lease>();
      let nowMs = 0;
      for (const each of steps) {
        if (each.do === "wait") nowMs += each.ms;
        else if (each.do === "end") {
          const lease = taken[each.which % Math.max(1, taken.length)];
          if (lease === undefined) continue;
          leases.release(lease);
          ended.add(lease);
        } else {
          const holders = taken.filter(
            (lease) => lease.key === each.key && lease.untilMs > nowMs && !ended.has(lease),
          );
          const lease = leases.acquire(each.key, nowMs);
          expect(lease === undefined).toBe(holders.length > 0);
          if (lease !== undefined) taken.push(lease);
        }
        expect(leases.size).toBeLessThanOrEqual(5);
      }
    }),
  );
});

test("beyond their number the oldest lease is forgotten", () => {
  const leases = new SingleFlight(1_000, 2);
  for (const key of ["a", "b", "c"]) leases.acquire(key, 0);
  expect(leases.acquire("a", 1)).toBeDefined();
  expect(leases.size).toBe(2);
});
