import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createBoundedMap } from "../../src/lib/bounded-map.ts";

const filled = (most: number, keys: readonly string[]) => {
  const map = createBoundedMap<string>(most);
  for (const key of keys) map.set(key, `value of ${key}`);
  return map;
};

describe("a map of four", () => {
  test("holds what was set last", () => {
    const map = filled(4, ["a", "b", "c", "d", "e"]);
    expect([map.get("d"), map.get("e")]).toEqual(["value of d", "value of e"]);
    expect(map.get("a")).toBeUndefined();
  });

  test("keeps what is asked for", () => {
    const map = filled(4, ["a"]);
    for (const key of ["b", "c", "d", "e", "f", "g"]) {
      map.set(key, key);
      expect(map.get("a")).toBe("value of a");
    }
  });

  test("holds the new value of what is set again, once", () => {
    const map = filled(4, ["a", "b", "c"]);
    map.set("a", "another");
    expect(map.get("a")).toBe("another");
    expect(map.size).toBe(3);
  });

  test("holds nothing of what is deleted", () => {
    const map = filled(4, ["a", "b", "c"]);
    map.delete("a");
    map.delete("c");
    expect([map.get("a"), map.get("c"), map.size]).toEqual([undefined, undefined, 1]);
  });
});

test("whatever is done with it, it never holds more than it may, nor anything that was not set", () => {
  const anyKey = fc.integer({ min: 0, max: 30 }).map(String);
  const anyStep = fc.record({ what: fc.constantFrom("set", "get", "delete"), key: anyKey } as const);
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.array(anyStep, { maxLength: 100 }), (most, steps) => {
      const map = createBoundedMap<number>(most);
      const latest = new Map<string, number>();
      for (const [turn, { what, key }] of steps.entries()) {
        if (what === "set") {
          map.set(key, turn);
          latest.set(key, turn);
          expect(map.get(key)).toBe(turn);
        } else if (what === "delete") {
          map.delete(key);
          latest.delete(key);
        }
        expect([undefined, latest.get(key)]).toContain(map.get(key));
        expect(map.size).toBeLessThanOrEqual(most);
      }
    }),
  );
});

test.each([0, 1, -1, 1.5, Number.NaN])("%d is no bound", (most) => {
  expect(() => createBoundedMap(most)).toThrow("most must be a whole number above 1");
});
