import { expect, test } from "vitest";
import { createBoundedMap } from "../../src/core/bounded-map.ts";

const filled = () => {
  const map = createBoundedMap<number>(2);
  map.set("a", 1);
  map.set("b", 2);
  return map;
};

test("of more than it holds, what was set first goes", () => {
  const map = filled();
  map.set("c", 3);
  expect([map.get("a"), map.get("b"), map.get("c"), map.size]).toEqual([undefined, 2, 3, 2]);
});

test("what was asked for stays", () => {
  const map = filled();
  map.get("a");
  map.set("c", 3);
  expect([map.peek("a"), map.peek("b")]).toEqual([1, undefined]);
});

test("what was looked at in passing does not", () => {
  const map = filled();
  map.peek("a");
  map.set("c", 3);
  expect(map.peek("a")).toBeUndefined();
});

test("what is set again is no more than before, and stays", () => {
  const map = filled();
  map.set("a", 4);
  map.set("c", 3);
  expect([map.peek("a"), map.peek("b"), map.size]).toEqual([4, undefined, 2]);
});

test("what is deleted is gone", () => {
  const map = filled();
  map.delete("a");
  expect([map.get("a"), map.size]).toEqual([undefined, 1]);
});

test.each([0, -1, 1.5, Number.NaN])("%d is no bound", (most) => {
  expect(() => createBoundedMap(most)).toThrow("most must be a whole number above 0");
});
