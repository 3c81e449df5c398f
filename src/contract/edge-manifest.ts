/** What the edge knows of a route. It is plain data, written when the Worker is bundled, so that the bundle has no schemas. */

import type { Policy } from "./policy.ts";
import { limitsOf, type Method, maxBodyBytes, type Route, type Routes, timeoutMs } from "./route.ts";

export interface EdgeRoute {
  readonly method: Method;
  readonly path: string;
  readonly policy: Policy;
  readonly maxBodyBytes: number;
  readonly timeoutMs: number;
  /** Whether its body is JSON; else it has none. */
  readonly takesJson: boolean;
  /** Header fields that its handler reads, in lower case. */
  readonly fields: readonly string[];
  /** Query parameters. */
  readonly parameters: readonly string[];
}

/** By operation name. */
export type EdgeRoutes = Readonly<Record<string, EdgeRoute>>;

export const edgeRoute = (route: Route): EdgeRoute => ({
  method: route.method,
  path: route.path,
  policy: route.policy,
  maxBodyBytes: maxBodyBytes(route),
  timeoutMs: timeoutMs(route),
  takesJson: route.request?.body !== undefined,
  fields: Object.keys(route.request?.headers?.shape ?? {}),
  parameters: Object.keys(route.request?.query?.shape ?? {}),
});

/** @throws ContractError if two routes mean different limits by one name */
export const edgeRoutes = (routes: Routes): EdgeRoutes => {
  limitsOf(routes);
  return Object.fromEntries(Object.entries(routes).map(([name, route]) => [name, edgeRoute(route)]));
};
