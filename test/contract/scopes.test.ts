import { expect, test } from "vitest";
import type { Auth } from "../../src/contract/policy.ts";
import { type Route, scopesOf } from "../../src/contract/route.ts";

const route = (auth: Auth): Route => ({
  method: "GET",
  path: "/",
  summary: "",
  tag: "",
  responses: {},
  policy: { auth },
});

test("the scopes of routes are sorted, each once", () => {
  const routes = {
    a: route({ scopes: ["orders:write", "orders:read"] }),
    b: route("public"),
    c: route({ scopes: ["catalogue", "orders:read"] }),
  };
  expect(scopesOf(routes)).toEqual(["catalogue", "orders:read", "orders:write"]);
});

test("public routes have no scopes", () => {
  expect(scopesOf({ a: route("public") })).toEqual([]);
});
