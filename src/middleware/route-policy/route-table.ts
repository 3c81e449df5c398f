/** The contract's routes in Hono's own router, so that both tiers find the same route for a request. */
import { RegExpRouter } from "hono/router/reg-exp-router";
import { SmartRouter } from "hono/router/smart-router";
import { TrieRouter } from "hono/router/trie-router";

interface RoutePattern {
  readonly method: string;
  readonly path: string;
}

export interface RouteEntry<Route> {
  readonly name: string;
  readonly route: Route;
}

export type Match<Route> =
  | { readonly kind: "found"; readonly entry: RouteEntry<Route> }
  /** The path exists, but not the method; `allow` is the Allow field (RFC 9110 §10.2.1). */
  | { readonly kind: "method_not_allowed"; readonly allow: string }
  | { readonly kind: "not_found" };

export interface RouteTable<Route> {
  readonly all: readonly Route[];
  /**
   * @param method as sent; HEAD matches GET's route
   * @param path as sent, without its query; a parameter matches one non-empty segment
   */
  match(method: string, path: string): Match<Route>;
}

const allowOf = (methods: readonly string[]): string => {
  const allowed = new Set(methods);
  if (allowed.has("GET")) allowed.add("HEAD");
  return [...allowed, "OPTIONS"].sort().join(", ");
};

/** The routes' names; if two paths match a request, the more literal one comes first. */
export const mostLiteralFirst = <All extends Readonly<Record<string, RoutePattern>>>(
  routes: All,
): (keyof All & string)[] => {
  const rank = (name: string): string => (routes[name]?.path ?? "").replaceAll(/\/:[^/]+/g, "/\uffff");
  return Object.keys(routes).sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
};

/** @throws Error if two routes match the same requests */
export const compileRoutes = <Route extends RoutePattern>(
  routes: Readonly<Record<string, Route>>,
): RouteTable<Route> => {
  const router = new SmartRouter<RouteEntry<Route>>({ routers: [new RegExpRouter(), new TrieRouter()] });
  const names = new Map<string, string>();
  for (const [name, { method, path }] of Object.entries(routes)) {
    const form = `${method} ${path.replaceAll(/:[^/]+/g, ":")}`;
    const earlier = names.get(form);
    if (earlier !== undefined) throw new Error(`${method} ${path} is both ${earlier} and ${name}`);
    names.set(form, name);
  }
  const methods = new Set<string>();
  // Hono takes the first route that matches.
  for (const name of mostLiteralFirst(routes)) {
    const route = routes[name];
    if (route === undefined) continue;
    methods.add(route.method);
    router.add(route.method, route.path, { name, route });
  }
  const find = (method: string, path: string): RouteEntry<Route> | undefined =>
    methods.has(method) ? router.match(method, path)[0][0]?.[0] : undefined;

  return {
    all: Object.values(routes),
    match: (method, path) => {
      const entry = find(method === "HEAD" ? "GET" : method, path);
      if (entry !== undefined) return { kind: "found", entry };
      const allowed = [...methods].filter((each) => find(each, path) !== undefined);
      return allowed.length === 0
        ? { kind: "not_found" }
        : { kind: "method_not_allowed", allow: allowOf(allowed) };
    },
  };
};
