import fc from "fast-check";
import { expect, test } from "vitest";
import type { Auth } from "../../../src/contract/policy.ts";
import { missingScopes, readScopes } from "../../../src/middleware/auth/principal.ts";

const needs = (...scopes: [string, ...string[]]): Auth => ({ scopes });

test.each<[string, Auth, string[], string[]]>([
  ["a public route requires nothing", "public", [], []],
  ["the required scope suffices", needs("a"), ["a"], []],
  ["further scopes do not matter", needs("a"), ["b", "a"], []],
  ["without scopes all are missing", needs("a", "b"), [], ["a", "b"]],
  ["with one of two the other is missing", needs("a", "b"), ["a"], ["b"]],
  ["a prefix of a scope is not the scope", needs("orders:read"), ["orders"], ["orders:read"]],
  ["scopes are case-sensitive", needs("a"), ["A"], ["a"]],
])("%s", (_, auth, scopes, missing) => {
  expect(missingScopes(auth, { id: "demo", scopes })).toEqual(missing);
});

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
])("the claims %j have the scopes %j", (claims, scopes) => {
  expect(readScopes({ ...claims })).toEqual(scopes);
});

test("a token has at most 64 scopes, of which repeated ones count once", () => {
  const many = Array.from({ length: 100 }, (_, index) => `scope-${index}`);
  expect(readScopes({ scope: many.join(" ") })).toEqual(many.slice(0, 64));
  expect(readScopes({ scp: [...Array(100).fill("scope-0"), ...many] })).toEqual(many.slice(0, 64));
});

test("no scope contains a space, a quote or a backslash, whatever the claims", () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (scope, scp) => {
      for (const each of readScopes({ scope, scp })) expect(each).toMatch(/^[^\s"\\]+$/);
    }),
  );
});
