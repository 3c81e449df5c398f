/** Under what an answer is kept at the edge: a bare URL, so that nothing a client sends beside it chooses an answer. */
import type { EdgeRoute } from "../../contract/edge-manifest.ts";
import { isSendable } from "../upstream/proxy.ts";

/** The condition decides what is sent, not what the answer is. */
export const CONDITION = "if-none-match";

export interface Keyed {
  readonly origin: string;
  readonly path: string;
  /** With its leading `?`; empty where there is none. */
  readonly query: string;
  readonly headers: { get(name: string): string | null };
}

/** A longer condition is for the origin to judge. */
const MOST_CONDITION_LENGTH = 1_000;

/** A longer URL is not kept, nor anything remembered of it: an isolate's memory has a bound. */
const MAX_LENGTH = 2_048;

/**
 * Makes the keys of a route's requests; undefined for a route whose answers may not be kept for everybody.
 *
 * A request has none that goes to the origin in any case: one with a parameter that the route does not have, or has
 * twice, which the origin refuses; one with a field that the route's handler reads, or whose condition it would refuse.
 */
export const cacheKeys = ({
  method,
  policy,
  fields,
  parameters,
}: EdgeRoute): ((keyed: Keyed) => string | undefined) | undefined => {
  if (method !== "GET" || policy.auth !== "public" || policy.cache === undefined) return undefined;
  const known = new Set(parameters);

  const isRead = (headers: Keyed["headers"]): boolean =>
    fields.some((name) => {
      const value = headers.get(name);
      if (value === null) return false;
      return name !== CONDITION || !isSendable(value) || value.length > MOST_CONDITION_LENGTH;
    });

  /** With its parameters in one order; undefined where it has others, or one twice. */
  const canonical = (query: string): string | undefined => {
    if (query === "") return "";
    const given = new URLSearchParams(query);
    const names = [...given.keys()];
    if (new Set(names).size !== names.length || names.some((name) => !known.has(name))) return undefined;
    given.sort();
    return `?${given}`;
  };

  return ({ origin, path, query, headers }) => {
    const asked = isRead(headers) ? undefined : canonical(query);
    const key = asked === undefined ? undefined : `${origin}${path}${asked}`;
    return key !== undefined && key.length <= MAX_LENGTH ? key : undefined;
  };
};
