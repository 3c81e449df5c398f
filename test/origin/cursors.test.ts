import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromBase64, toBase64Url } from "../../src/lib/encoding.ts";
import { cursorsOf, filterOf, type ListIdentity } from "../../src/origin/cursors.ts";
import { ProblemError } from "../../src/origin/middleware/error-handler.ts";
import { testKey } from "../middleware/signature/signed-request.ts";

const [current, previous] = [testKey("new", 2), testKey("old", 1)];
const list: ListIdentity = { operation: "listOrders", principal: "alice", filter: '[["q","rope"]]' };
const BOTH = [current, previous] as const;

const seal = (position: string, of = list, keys: Parameters<typeof cursorsOf>[0] = [...BOTH]): string =>
  cursorsOf(keys, () => of).seal(position);

/** The position, or the problem of a cursor that is not the list's. */
const open = (cursor: string, of = list, keys: Parameters<typeof cursorsOf>[0] = [...BOTH]): unknown => {
  try {
    return cursorsOf(keys, () => of).open(cursor);
  } catch (error) {
    return error;
  }
};
const refused = expect.any(ProblemError);

/** What PostgreSQL can store as text: no half of a surrogate pair. */
const text = fc.string({ unit: "binary" });
const lists = fc.record({ operation: text, principal: fc.option(text, { nil: undefined }), filter: text });

describe("a cursor", () => {
  test("opens to the position it was sealed for, whatever the list and the position", () => {
    fc.assert(
      fc.property(lists, text, (identity, position) => {
        const cursor = seal(position, identity);
        expect(open(cursor, identity)).toBe(position);
        expect(encodeURIComponent(cursor)).toBe(cursor);
      }),
    );
  });

  test.each([
    ["an empty one", ""],
    ["one that begins with a byte order mark", "\uFEFFname"],
    ["one beyond the basic plane", "🧭"],
  ])("keeps a position as it is: %s", (_, position) => {
    expect(open(seal(position))).toBe(position);
  });

  test("with any bit changed, cut short or drawn out is refused", () => {
    const sealed = fromBase64(seal("position")) ?? new Uint8Array(0);
    for (const index of sealed.keys()) {
      expect(open(toBase64Url(sealed.slice(0, index)))).toEqual(refused);
      for (let bit = 0; bit < 8; bit += 1) {
        const changed = Uint8Array.from(sealed, (byte, at) => (at === index ? byte ^ (1 << bit) : byte));
        expect(open(toBase64Url(changed))).toEqual(refused);
      }
    }
    expect(open(toBase64Url(Uint8Array.of(...sealed, 0)))).toEqual(refused);
  });

  test.each<[string, ListIdentity]>([
    ["another operation's", { ...list, operation: "listProducts" }],
    ["another principal's", { ...list, principal: "bob" }],
    ["everybody's", { ...list, principal: undefined }],
    ["one of a principal with no name", { ...list, principal: "" }],
    ["one with another filter", { ...list, filter: '[["q","lamp"]]' }],
    ["one without a filter", { ...list, filter: "" }],
  ])("is refused in another list: %s", (_, elsewhere) => {
    expect(open(seal("position"), elsewhere)).toEqual(refused);
  });

  test("cannot be moved between the parts of a list's identity", () => {
    fc.assert(
      fc.property(lists, lists, text, (one, two, position) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(two));
        expect(open(seal(position, one), two)).toEqual(refused);
      }),
    );
    const joined = { operation: "ab", principal: "c", filter: "d" };
    expect(open(seal("p", joined), { operation: "a", principal: "bc", filter: "d" })).toEqual(refused);
  });

  test("that somebody made up is refused with 400, naming the parameter", () => {
    const made = fc.oneof(text, fc.base64String(), fc.uint8Array({ maxLength: 64 }).map(toBase64Url));
    fc.assert(
      fc.property(made, (cursor) => {
        expect(open(cursor)).toEqual(refused);
      }),
    );
    expect(open("made-up")).toMatchObject({
      problem: { code: "invalid_request", errors: [{ in: "query", field: "cursor" }] },
    });
  });

  test("is sealed with the first key and opened with each", () => {
    expect(open(seal("position", list, [previous]))).toBe("position");
    expect(open(seal("position"), list, [previous, current])).toBe("position");
    expect(open(seal("position"), list, [previous])).toEqual(refused);
  });

  test("that the client did not send has no position", () => {
    expect(cursorsOf([current], () => list).open(undefined)).toBeUndefined();
  });
});

describe("a query's filter", () => {
  test.each([
    ["the order, the page's size and place", { q: "a", r: true, limit: 2, cursor: "c" }, { r: true, q: "a" }],
    ["what was not given", { q: undefined }, {}],
  ])("is the same whatever %s", (_, one, two) => {
    expect(filterOf(one)).toBe(filterOf(two));
  });

  test.each([
    [{ q: "a" }, { q: "b" }],
    [{ q: "a" }, {}],
    [{ q: "a" }, { r: "a" }],
    [{ q: 1 }, { q: "1" }],
    [{ q: "a", r: "b" }, { q: 'a"],["r","b' }],
  ])("differs where the items may differ: %j, %j", (one, two) => {
    expect(filterOf(one)).not.toBe(filterOf(two));
  });

  test("of no query is empty", () => {
    expect(filterOf(undefined)).toBe("");
  });
});
