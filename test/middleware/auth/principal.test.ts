import { expect, test } from "vitest";
import type { Auth } from "../../../src/contract/policy.ts";
import { missingScopes } from "../../../src/middleware/auth/principal.ts";

const needs = (...scopes: [string, ...string[]]): Auth => ({ scopes });

test.each<[string, Auth, string[], string[]]>([
  ["a public route", "public", [], []],
  ["a principal with the scope", needs("a"), ["a"], []],
  ["a principal with more than it needs", needs("a"), ["b", "a"], []],
  ["a principal without scopes", needs("a", "b"), [], ["a", "b"]],
  ["a principal with one of two", needs("a", "b"), ["a"], ["b"]],
  ["a scope that begins like the one asked for", needs("orders:read"), ["orders"], ["orders:read"]],
  ["a scope in another case", needs("a"), ["A"], ["a"]],
])("%s lacks exactly what it does not hold", (_, auth, scopes, missing) => {
  expect(missingScopes(auth, { id: "demo", scopes })).toEqual(missing);
});
