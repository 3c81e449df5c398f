import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contract } from "../../../src/contract/contract.ts";
import type { Method, Route, Routes } from "../../../src/contract/route.ts";
import { compileRoutes, mostLiteralFirst } from "../../../src/middleware/route-policy/route-table.ts";

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

/** The name of the route found, or the kind of refusal. */
const found = (method: string, path: string): string => {
  const match = table.match(method, path);
  return match.kind === "found" ? match.entry.name : match.kind;
};

describe("match", () => {
  test.each([
    ["an unknown path", "/v2/things"],
    ["the beginning of a route's path", "/v1"],
    ["a path beyond a route's", "/v1/things/7/parts/8/9"],
    ["a trailing slash", "/v1/things/"],
    ["an empty segment where a parameter stands", "/v1/things//parts/8"],
    ["an empty segment anywhere", "//v1/things"],
    ["another case", "/V1/things"],
    ["a parameter's own notation", "/v1/things/7/:parts/8"],
    ["a name that every object has", "/constructor"],
  ])("finds nothing for %s", (_, path) => {
    expect(table.match("GET", path)).toEqual({ kind: "not_found" });
  });

  test("does not allow HEAD where there is no GET, nor a method that every object has", () => {
    const writing = compileRoutes({ write: route("PUT", "/x") });
    for (const method of ["HEAD", "constructor"])
      expect(writing.match(method, "/x")).toEqual({ kind: "method_not_allowed", allow: "OPTIONS, PUT" });
  });

  test("takes a parameter as it was sent, percent-encoded or not", () => {
    expect(found("GET", "/v1/things/%2F")).toBe("read");
    expect(found("GET", "/v1/things/a:b@c")).toBe("read");
  });
});

describe("compileRoutes", () => {
  test.each([
    ["the same path", "/a/:id", "/a/:id"],
    ["the same form of path", "/a/:id", "/a/:name"],
  ] as const)("refuses two routes with the same method and %s, and names both", (_, one, other) => {
    const routes = { first: route("GET", one), second: route("GET", other) };
    expect(() => compileRoutes(routes)).toThrow(`GET ${other} is both first and second`);
  });

  test("lets routes differ by method alone, whatever they call their parameters", () => {
    const both = compileRoutes({ read: route("GET", "/a/:id"), remove: route("DELETE", "/a/:name") });
    expect(both.match("DELETE", "/a/1")).toMatchObject({ entry: { name: "remove" } });
  });

  test("finds every route of the contract by its own path", () => {
    const whole = compileRoutes(contract);
    for (const [name, each] of Object.entries(contract)) {
      const path = each.path.replaceAll(/:[^/]+/g, "01900000-0000-7000-8000-000000000001");
      expect(whole.match(each.method, path)).toEqual({ kind: "found", entry: { name, route: each } });
    }
  });
});

describe("a table", () => {
  const segments = (path: string): string[] => path.slice(1).split("/");
  const fits = (path: string, asked: string): boolean => {
    const [mine, theirs] = [segments(path), segments(asked)];
    return (
      mine.length === theirs.length &&
      mine.every((each, at) => (each.startsWith(":") ? theirs[at] !== "" : each === theirs[at]))
    );
  };
  /** Literal before parameter, from the left. */
  const rank = (path: string): string =>
    segments(path)
      .map((each) => (each.startsWith(":") ? "1" : "0"))
      .join("");

  /** What the table should answer, found by looking at every route. */
  const oracle = (routes: Routes, method: string, asked: string): string => {
    const fitting = Object.entries(routes)
      .filter(([, { path }]) => fits(path, asked))
      .sort(([, a], [, b]) => (rank(a.path) < rank(b.path) ? -1 : 1));
    if (fitting.length === 0) return "not_found";
    const wanted = method === "HEAD" ? "GET" : method;
    const [hit] = fitting.find(([, each]) => each.method === wanted) ?? [];
    if (hit !== undefined) return hit;
    const allowed = new Set<string>(fitting.map(([, each]) => each.method));
    if (allowed.has("GET")) allowed.add("HEAD");
    return `not allowed: ${[...allowed, "OPTIONS"].sort().join(", ")}`;
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
  const asked = pathOf(fc.constantFrom("a", "b", "c", ""));
  const method = fc.constantFrom(...METHODS, "HEAD", "OPTIONS", "get");

  test("matches like a search through every route", () => {
    fc.assert(
      fc.property(routes, method, asked, (all, each, path) => {
        const match = compileRoutes(all).match(each, path);
        const answer =
          match.kind === "found"
            ? match.entry.name
            : match.kind === "not_found"
              ? match.kind
              : `not allowed: ${match.allow}`;
        expect(answer).toBe(oracle(all, each, path));
      }),
      { numRuns: 500 },
    );
  });
});

test("the most literal of the paths that fit comes first in the order", () => {
  const routes = {
    item: route("GET", "/a/:id"),
    literal: route("GET", "/a/b"),
    deep: route("GET", "/a/:id/c"),
  };
  expect(mostLiteralFirst(routes)).toEqual(["literal", "item", "deep"]);
});
