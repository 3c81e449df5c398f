import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromBase64, toBase64Url } from "../../src/lib/encoding.ts";
import { cursorsOf, filterOf, type ListIdentity } from "../../src/origin/cursors.ts";
import { ProblemError } from "../../src/origin/middleware/error-handler.ts";
import { testKey } from "../middleware/signature/signed-request.ts";

const [current, previous] = [testKey("new", 2), testKey("old", 1)];
const BOTH = [current, previous] as const;
type Keys = Parameters<typeof cursorsOf>[0];
const list: ListIdentity = { operation: "listOrders", principal: "alice", filter: '[["q","rope"]]' };

const seal = (position: string, identity = list, keys: Keys = BOTH): string =>
  cursorsOf(keys, () => identity).seal(position);

/** The position, or the error of a cursor of another list. */
const open = (cursor: string, identity = list, keys: Keys = BOTH): unknown => {
  try {
    return cursorsOf(keys, () => identity).open(cursor);
  } catch (error) {
    return error;
  }
};
const rejected = expect.any(ProblemError);

/** PostgreSQL stores no half of a surrogate pair. */
const text = fc.string({ unit: "binary" });
const lists = fc.record({ operation: text, principal: fc.option(text, { nil: undefined }), filter: text });

describe("a cursor", () => {
  test("opens to its position, in every list and at every position", () => {
    fc.assert(
      fc.property(lists, text, (identity, position) => {
        const cursor = seal(position, identity);
        expect(open(cursor, identity)).toBe(position);
        expect(encodeURIComponent(cursor)).toBe(cursor);
      }),
    );
  });

  test.each(["", "\uFEFFname", "🧭"])("keeps the position %j unchanged", (position) => {
    expect(open(seal(position))).toBe(position);
  });

  test("has one spelling, although its last character has bits that it does not need", () => {
    const cursor = seal("p");
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const opening = [...alphabet]
      .map((last) => cursor.slice(0, -1) + last)
      .filter((each) => open(each) === "p");
    expect(opening).toEqual([cursor]);
  });

  test("is rejected with any bit changed, shortened or extended", () => {
    const sealed = fromBase64(seal("position")) ?? new Uint8Array(0);
    for (const index of sealed.keys()) {
      expect(open(toBase64Url(sealed.slice(0, index)))).toEqual(rejected);
      for (let bit = 0; bit < 8; bit += 1) {
        const changed = Uint8Array.from(sealed, (byte, at) => (at === index ? byte ^ (1 << bit) : byte));
        expect(open(toBase64Url(changed))).toEqual(rejected);
      }
    }
    expect(open(toBase64Url(Uint8Array.of(...sealed, 0)))).toEqual(rejected);
  });

  test.each<Partial<ListIdentity>>([
    { operation: "listProducts" },
    { principal: "bob" },
    { principal: undefined },
    { principal: "" },
    { filter: '[["q","lamp"]]' },
    { filter: "" },
  ])("is rejected in a list that differs by %j", (difference) => {
    expect(open(seal("position"), { ...list, ...difference })).toEqual(rejected);
  });

  test("cannot be moved between the parts of a list's identity", () => {
    fc.assert(
      fc.property(lists, lists, text, (one, two, position) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(two));
        expect(open(seal(position, one), two)).toEqual(rejected);
      }),
    );
    const joined = { operation: "ab", principal: "c", filter: "d" };
    expect(open(seal("p", joined), { operation: "a", principal: "bc", filter: "d" })).toEqual(rejected);
  });

  test("is rejected if it is forged, with a 400 that names the parameter", () => {
    const forged = fc.oneof(text, fc.base64String(), fc.uint8Array({ maxLength: 64 }).map(toBase64Url));
    fc.assert(
      fc.property(forged, (cursor) => {
        expect(open(cursor)).toEqual(rejected);
      }),
    );
    expect(open("forged")).toMatchObject({
      problem: { code: "invalid_request", errors: [{ in: "query", field: "cursor" }] },
    });
  });

  test("is sealed with the first key and opened with each", () => {
    expect(open(seal("position", list, [previous]))).toBe("position");
    expect(open(seal("position"), list, [previous, current])).toBe("position");
    expect(open(seal("position"), list, [previous])).toEqual(rejected);
  });

  test("is optional", () => {
    expect(cursorsOf([current], () => list).open(undefined)).toBeUndefined();
  });
});

test.each([
  [
    { q: "a", r: true, limit: 2, cursor: "c" },
    { r: true, q: "a" },
  ],
  [{ q: undefined }, {}],
])("the filters of %j and %j are equal", (one, two) => {
  expect(filterOf(one)).toBe(filterOf(two));
});

test.each([
  [{ q: "a" }, { q: "b" }],
  [{ q: "a" }, {}],
  [{ q: "a" }, { r: "a" }],
  [{ q: 1 }, { q: "1" }],
  [{ q: "a", r: "b" }, { q: 'a"],["r","b' }],
])("the filters of %j and %j differ", (one, two) => {
  expect(filterOf(one)).not.toBe(filterOf(two));
});
