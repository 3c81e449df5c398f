/** Under what an answer is kept at the edge: a bare URL, so that nothing a client sends beside it chooses an answer. */
import * as z from "zod/mini";
import type { Route } from "../../contract/route.ts";
import { isSendable } from "../forward.ts";

/** The condition decides what is sent, not what the answer is. */
export const CONDITION = "if-none-match";

export interface Keyed {
  readonly origin: string;
  readonly path: string;
  /** With its leading `?`; empty where there is none. */
  readonly query: string;
  readonly headers: { get(name: string): string | null };
}

/** Whether a route's answers may be kept for everybody. */
export const isKept = ({ method, policy }: Route): boolean =>
  method === "GET" && policy.auth === "public" && policy.cache !== undefined;

/** Whether the route's handler reads a field that was sent, or would refuse its condition. */
const isRead = ({ request }: Route, headers: Keyed["headers"]): boolean =>
  Object.entries(request?.headers?.shape ?? {}).some(([name, schema]) => {
    const value = headers.get(name);
    if (value === null) return false;
    return name !== CONDITION || !isSendable(value) || !z.safeParse(schema, value).success;
  });

/**
 * Undefined for a request that goes to the origin in any case: one with a parameter that the route does not have, or
 * has twice, which the origin refuses; or with a field that the route's handler reads.
 */
export const cacheKey = (route: Route, { origin, path, query, headers }: Keyed): string | undefined => {
  if (!isKept(route)) return undefined;
  if (isRead(route, headers)) return undefined;
  const known = Object.keys(route.request?.query?.shape ?? {});
  const parameters = new URLSearchParams(query);
  const names = [...parameters.keys()];
  if (new Set(names).size !== names.length || names.some((name) => !known.includes(name))) return undefined;
  parameters.sort();
  const canonical = parameters.toString();
  return `${origin}${path}${canonical === "" ? "" : `?${canonical}`}`;
};
