import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { entityTag, matchHolds, noneMatchHolds } from "../../src/lib/http.ts";

test("the entity tag of a version is strong", () => {
  expect(entityTag(7)).toBe('"7"');
});

test("different versions have different entity tags", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => (entityTag(a) === entityTag(b)) === (a === b)),
  );
});

describe("the comparisons of RFC 9110 §8.8.3.2", () => {
  test.each([
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', '"1"', true, true],
  ])("%s and %s: strong %s, weak %s", (one, other, strong, weak) => {
    expect(matchHolds(one, other)).toBe(strong);
    expect(matchHolds(other, one)).toBe(strong);
    expect(noneMatchHolds(one, other)).toBe(weak);
    expect(noneMatchHolds(other, one)).toBe(weak);
  });
});

const holds = [
  ["If-Match", matchHolds],
  ["If-None-Match", noneMatchHolds],
] as const;

describe.each(holds)("%s", (_, holdsFor) => {
  test.each([
    ["*", true],
    [" * ", true],
    ['"7"', true],
    ['"6", "7"', true],
    ['"6","7","8"', true],
    ['"6", , "7"', true],
    ['"6", "8"', false],
    ['"a, b", "7"', true],
    ['"6,7"', false],
    ['""', false],
    ["", false],
    ["7", false],
    ['"7', false],
    ['"77"', false],
  ])("of %j holds for version 7: %s", (field, expected) => {
    expect(holdsFor(field, entityTag(7))).toBe(expected);
  });
});

test("If-Match takes no tag whose weakness is written in lower case", () => {
  expect(matchHolds('w/"7"', entityTag(7))).toBe(false);
});
