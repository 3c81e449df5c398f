import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contract } from "../../../src/contract/contract.ts";
import type { Method, Route, Routes } from "../../../src/contract/route.ts";
import {
  compileRoutes,
  type Match,
  mostLiteralFirst,
} from "../../../src/middleware/route-policy/route-table.ts";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const satisfies readonly Method[];

const route = (method: Method, path: Route["path"]): Route => ({
  method,
  path,
  summary: "",
  tag: "",
  responses: {},
  policy: { auth: "public" },
});

const table = compileRoutes({
  root: route("GET", "/"),
  list: route("GET", "/v1/things"),
  create: route("POST", "/v1/things"),
  read: route("GET", "/v1/things/:id"),
  remove: route("DELETE", "/v1/things/:id"),
  newest: route("GET", "/v1/things/newest"),
  parts: route("GET", "/v1/things/:id/parts/:part"),
  history: route("GET", "/v1/things/newest/history"),
});

describe("match", () => {
  test.each([
    ["an unknown path", "/v2/things"],
    ["a prefix of a path", "/v1"],
    ["a longer path", "/v1/things/7/parts/8/9"],
    ["a trailing slash", "/v1/things/"],
    ["an empty parameter", "/v1/things//parts/8"],
    ["an empty segment", "//v1/things"],
    ["another case", "/V1/things"],
    ["the notation of a parameter", "/v1/things/7/:parts/8"],
    ["a property of every object", "/constructor"],
  ])("rejects %s", (_, path) => {
    expect(table.match("GET", path)).toEqual({ kind: "not_found" });
  });

  test("allows neither HEAD without GET nor a property of every object", () => {
    const writing = compileRoutes({ write: route("PUT", "/x") });
    for (const method of ["HEAD", "constructor"])
      expect(writing.match(method, "/x")).toEqual({ kind: "method_not_allowed", allow: "OPTIONS, PUT" });
  });

  test.each(["%2F", "a:b@c"])("accepts the parameter %s as sent", (id) => {
    expect(table.match("GET", `/v1/things/${id}`)).toMatchObject({ entry: { name: "read" } });
  });
});

describe("compileRoutes", () => {
  test.each([
    ["the same path", "/a/:id", "/a/:id"],
    ["equivalent paths", "/a/:id", "/a/:name"],
  ] as const)("rejects two routes with the same method and %s", (_, one, other) => {
    const routes = { first: route("GET", one), second: route("GET", other) };
    expect(() => compileRoutes(routes)).toThrow(`GET ${other} is both first and second`);
  });

  test("accepts routes that differ only by method", () => {
    const both = compileRoutes({ read: route("GET", "/a/:id"), remove: route("DELETE", "/a/:name") });
    expect(both.match("DELETE", "/a/1")).toMatchObject({ entry: { name: "remove" } });
  });

  test("matches every route of the contract by its path", () => {
    const whole = compileRoutes(contract);
    for (const [name, each] of Object.entries(contract)) {
      const path = each.path.replaceAll(/:[^/]+/g, "01900000-0000-7000-8000-000000000001");
      expect(whole.match(each.method, path)).toEqual({ kind: "found", entry: { name, route: each } });
    }
  });
});

describe("the match", () => {
  const segments = (path: string): string[] => path.slice(1).split("/");
  const fits = (path: string, requested: string): boolean => {
    const [patterns, values] = [segments(path), segments(requested)];
    return (
      patterns.length === values.length &&
      patterns.every((each, at) => (each.startsWith(":") ? values[at] !== "" : each === values[at]))
    );
  };
  /** Literals before parameters, from the left. */
  const rank = (path: string): string =>
    segments(path)
      .map((each) => (each.startsWith(":") ? "1" : "0"))
      .join("");

  /** The expected match, by a search through every route. */
  const search = (routes: Routes, method: string, requested: string): Match<Route> => {
    const fitting = Object.entries(routes)
      .filter(([, { path }]) => fits(path, requested))
      .sort(([, a], [, b]) => (rank(a.path) < rank(b.path) ? -1 : 1));
    if (fitting.length === 0) return { kind: "not_found" };
    const wanted = method === "HEAD" ? "GET" : method;
    const [name, route] = fitting.find(([, each]) => each.method === wanted) ?? [];
    if (name !== undefined && route !== undefined) return { kind: "found", entry: { name, route } };
    const allowed = new Set<string>(fitting.map(([, each]) => each.method));
    if (allowed.has("GET")) allowed.add("HEAD");
    return { kind: "method_not_allowed", allow: [...allowed, "OPTIONS"].sort().join(", ") };
  };

  const pathOf = (segment: fc.Arbitrary<string>): fc.Arbitrary<Route["path"]> =>
    fc.array(segment, { minLength: 1, maxLength: 4 }).map((all): Route["path"] => `/${all.join("/")}`);
  const form = ({ method, path }: Route): string => `${method} ${path.replaceAll(/:[^/]+/g, ":")}`;
  const routes = fc
    .uniqueArray(
      fc
        .tuple(fc.constantFrom(...METHODS), pathOf(fc.constantFrom("a", "b", ":x", ":y")))
        .map(([m, p]) => route(m, p)),
      { selector: form, maxLength: 20 },
    )
    .map((all): Routes => Object.fromEntries(all.map((each, index) => [`r${index}`, each])));
  const requested = pathOf(fc.constantFrom("a", "b", "c", ""));
  const method = fc.constantFrom(...METHODS, "HEAD", "OPTIONS", "get");

  test("equals a search through every route", () => {
    fc.assert(
      fc.property(routes, method, requested, (all, each, path) => {
        expect(compileRoutes(all).match(each, path)).toEqual(search(all, each, path));
      }),
      { numRuns: 500 },
    );
  });
});

test("of several matching paths the most literal one comes first", () => {
  const routes = {
    item: route("GET", "/a/:id"),
    literal: route("GET", "/a/b"),
    deep: route("GET", "/a/:id/c"),
  };
  expect(mostLiteralFirst(routes)).toEqual(["literal", "item", "deep"]);
});
