/** The edge's part of the contract, generated at build time so that the Worker's bundle has no schemas. */
import type { Policy } from "./policy.ts";
import {
  deprecationFields,
  limitsOf,
  type Method,
  maxBodyBytes,
  type Route,
  type Routes,
  timeoutMs,
} from "./route.ts";

export interface EdgeRoute {
  readonly method: Method;
  readonly path: string;
  readonly policy: Policy;
  readonly maxBodyBytes: number;
  readonly timeoutMs: number;
  /** Whether it takes a body, which is JSON. */
  readonly takesJson: boolean;
  /** Header fields that its handler reads, in lower case. */
  readonly fields: readonly string[];
  /** Query parameters. */
  readonly parameters: readonly string[];
  /** Header fields of a deprecated route's responses. */
  readonly deprecationFields?: Readonly<Record<string, string>>;
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
  ...(route.deprecated && { deprecationFields: deprecationFields(route.deprecated) }),
});

/** @throws ContractError if two routes declare different limits with one name */
export const edgeRoutes = (routes: Routes): EdgeRoutes => {
  limitsOf(routes);
  return Object.fromEntries(Object.entries(routes).map(([name, route]) => [name, edgeRoute(route)]));
};
