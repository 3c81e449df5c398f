import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromBase64, toBase64Url } from "../../../src/lib/encoding.ts";
import { type ListIdentity, openCursor, sealCursor } from "../../../src/origin/cursors.ts";
import { testKey } from "../../middleware/signature/signed-request.ts";

const key = testKey("k1", 1);
const other = testKey("k2", 2);
const list: ListIdentity = { operation: "listOrders", principal: "alice", filter: '[["q","rope"]]' };

/** What PostgreSQL can store as text: no half of a surrogate pair. */
const text = fc.string({ unit: "binary" });
const lists = fc.record({
  operation: text,
  principal: fc.option(text, { nil: undefined }),
  filter: text,
});

describe("a cursor", () => {
  test("opens to the position it was sealed for, whatever the list and the position", () => {
    fc.assert(
      fc.property(lists, text, (identity, position) => {
        expect(openCursor([key], identity, sealCursor(key, identity, position))).toBe(position);
      }),
    );
  });

  test.each([
    ["an empty one", ""],
    ["one that begins with a byte order mark", "\uFEFFname"],
    ["one beyond the basic plane", "🧭"],
  ])("keeps a position as it is: %s", (_, position) => {
    expect(openCursor([key], list, sealCursor(key, list, position))).toBe(position);
  });

  test("goes into a query as it is", () => {
    fc.assert(
      fc.property(text, (position) => {
        const cursor = sealCursor(key, list, position);
        expect(encodeURIComponent(cursor)).toBe(cursor);
      }),
    );
  });

  test("with any bit of any byte changed opens nothing", () => {
    const sealed = fromBase64(sealCursor(key, list, "01900000-0000-7000-8000-000000000001"));
    for (const index of sealed?.keys() ?? []) {
      for (let bit = 0; bit < 8; bit += 1) {
        const changed = Uint8Array.from(sealed ?? [], (byte, at) =>
          at === index ? byte ^ (1 << bit) : byte,
        );
        expect(openCursor([key], list, toBase64Url(changed))).toBeUndefined();
      }
    }
  });

  test("cut short or drawn out opens nothing", () => {
    const sealed = fromBase64(sealCursor(key, list, "position")) ?? new Uint8Array(0);
    for (let length = 0; length < sealed.byteLength; length += 1) {
      expect(openCursor([key], list, toBase64Url(sealed.slice(0, length)))).toBeUndefined();
    }
    expect(openCursor([key], list, toBase64Url(Uint8Array.of(...sealed, 0)))).toBeUndefined();
  });

  test.each<[string, ListIdentity]>([
    ["another operation's", { ...list, operation: "listProducts" }],
    ["another principal's", { ...list, principal: "bob" }],
    ["everybody's", { ...list, principal: undefined }],
    ["one of a principal with no name", { ...list, principal: "" }],
    ["one with another filter", { ...list, filter: '[["q","lamp"]]' }],
    ["one without a filter", { ...list, filter: "" }],
  ])("opens nothing in another list: %s", (_, elsewhere) => {
    expect(openCursor([key], elsewhere, sealCursor(key, list, "position"))).toBeUndefined();
  });

  test("cannot be moved between the parts of a list's identity", () => {
    fc.assert(
      fc.property(lists, lists, text, (one, two, position) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(two));
        expect(openCursor([key], two, sealCursor(key, one, position))).toBeUndefined();
      }),
    );
    const joined = { operation: "ab", principal: "c", filter: "d" };
    expect(
      openCursor([key], { operation: "a", principal: "bc", filter: "d" }, sealCursor(key, joined, "p")),
    ).toBeUndefined();
  });

  test("that somebody made up opens nothing", () => {
    fc.assert(
      fc.property(
        fc.oneof(text, fc.base64String(), fc.uint8Array({ maxLength: 64 }).map(toBase64Url)),
        (made) => {
          expect(openCursor([key, other], list, made)).toBeUndefined();
        },
      ),
    );
  });

  test("of a key that is believed opens, whichever place the key has", () => {
    const cursor = sealCursor(key, list, "position");
    expect(openCursor([key, other], list, cursor)).toBe("position");
    expect(openCursor([other, key], list, cursor)).toBe("position");
  });

  test("of a key that is believed no more opens nothing", () => {
    expect(openCursor([other], list, sealCursor(key, list, "position"))).toBeUndefined();
  });
});
