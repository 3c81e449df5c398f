import fc from "fast-check";
import { expect, test } from "vitest";
import { readScopes } from "../../../src/middleware/auth/scopes.ts";

test.each<[object, string[]]>([
  [{}, []],
  [{ scope: "" }, []],
  [{ scope: "orders:read" }, ["orders:read"]],
  [{ scope: "a b c" }, ["a", "b", "c"]],
  [{ scope: " a  b " }, ["a", "b"]],
  [{ scope: "a a b" }, ["a", "b"]],
  [{ scope: "a\tb c" }, ["c"]],
  [{ scope: ["a", "b"] }, ["a", "b"]],
  [{ scp: ["a", "b"] }, ["a", "b"]],
  [{ scp: "a b" }, ["a", "b"]],
  [{ scope: "a", scp: ["b"] }, ["a"]],
  [{ scp: ["a b", "c", 1, null, { d: 1 }, ["e"], ""] }, ["c"]],
  [{ scope: 'a"b c\\d é \u007f e' }, ["e"]],
  [{ scope: 1 }, []],
  [{ scp: { a: 1 } }, []],
  [{ scope: "read,write" }, ["read,write"]],
])("%j gives %j", (claims, scopes) => {
  expect(readScopes({ ...claims })).toEqual(scopes);
});

test("there are at most 64", () => {
  const many = Array.from({ length: 100 }, (_, index) => `scope-${index}`);
  expect(readScopes({ scope: many.join(" ") })).toEqual(many.slice(0, 64));
  expect(readScopes({ scp: many })).toEqual(many.slice(0, 64));
});

test("one that is named again and again takes no other's place", () => {
  const many = Array.from({ length: 64 }, (_, index) => `scope-${index}`);
  const again = ["admin", ...Array.from({ length: 100 }, () => "admin"), ...many];
  expect(readScopes({ scp: again })).toEqual(["admin", ...many.slice(0, 63)]);
});

test("none of them can end a quoted string or a list of scopes, whatever the token says", () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (scope, scp) => {
      for (const each of readScopes({ scope, scp })) expect(each).toMatch(/^[^\s"\\]+$/);
    }),
  );
});
