/**
 * The contract compiled for look-up: a tree of path segments, built once. A look-up costs one step a
 * segment, whatever the number of routes.
 */
import type { Routes } from "../../contract/route.ts";

/** What a route is found by. */
interface Found {
  readonly method: string;
  readonly path: string;
}

export interface RouteEntry<Route> {
  readonly name: string;
  readonly route: Route;
}

export type Match<Route> =
  | { readonly kind: "found"; readonly entry: RouteEntry<Route> }
  /** The path exists, the method does not; `allow` is the Allow field (RFC 9110 §10.2.1). */
  | { readonly kind: "method_not_allowed"; readonly allow: string }
  | { readonly kind: "not_found" };

interface Node<Route> {
  readonly literal: Map<string, Node<Route>>;
  parameter: Node<Route> | undefined;
  readonly methods: Map<string, RouteEntry<Route>>;
}

export interface RouteTable<Route> {
  /**
   * @param method as sent; HEAD finds GET's route
   * @param path as sent, without its query; a parameter is one segment that is not empty
   */
  match(method: string, path: string): Match<Route>;
}

const node = <Route>(): Node<Route> => ({
  literal: new Map(),
  parameter: undefined,
  methods: new Map(),
});

const childFor = <Route>(parent: Node<Route>, segment: string): Node<Route> => {
  if (segment.startsWith(":")) {
    parent.parameter ??= node();
    return parent.parameter;
  }
  const child = parent.literal.get(segment) ?? node<Route>();
  parent.literal.set(segment, child);
  return child;
};

/** A literal segment is preferred to a parameter; where its subtree has nothing, the parameter is tried. */
const find = <Route>(from: Node<Route>, segments: readonly string[], at: number): Node<Route> | undefined => {
  if (at === segments.length) return from.methods.size > 0 ? from : undefined;
  const segment = segments[at] ?? "";
  const literal = from.literal.get(segment);
  const found = literal === undefined ? undefined : find(literal, segments, at + 1);
  if (found !== undefined) return found;
  return from.parameter === undefined || segment === "" ? undefined : find(from.parameter, segments, at + 1);
};

const allowOf = (methods: Iterable<string>): string => {
  const allowed = new Set(methods);
  if (allowed.has("GET")) allowed.add("HEAD");
  return [...allowed, "OPTIONS"].sort().join(", ");
};

/**
 * Compiles routes into a table.
 *
 * @throws Error where two routes have the same method and the same form of path
 */
export const compileRoutes = <Route extends Found>(
  routes: Readonly<Record<string, Route>>,
): RouteTable<Route> => {
  const root = node<Route>();
  for (const [name, route] of Object.entries(routes)) {
    const { method, path } = route;
    let at = root;
    for (const segment of path.slice(1).split("/")) at = childFor(at, segment);
    const earlier = at.methods.get(method);
    if (earlier !== undefined) throw new Error(`${method} ${path} is both ${earlier.name} and ${name}`);
    at.methods.set(method, { name, route });
  }
  return {
    match: (method, path) => {
      const found = find(root, path.slice(1).split("/"), 0);
      if (found === undefined) return { kind: "not_found" };
      const entry = found.methods.get(method === "HEAD" ? "GET" : method);
      if (entry === undefined) return { kind: "method_not_allowed", allow: allowOf(found.methods.keys()) };
      return { kind: "found", entry };
    },
  };
};

/** The routes' names, so ordered that of two paths that fit a request the more literal one comes first. */
export const mostLiteralFirst = <All extends Routes>(routes: All): (keyof All & string)[] => {
  const rank = (name: string): string => (routes[name]?.path ?? "").replaceAll(/\/:[^/]+/g, "/\uffff");
  return Object.keys(routes).sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
};
