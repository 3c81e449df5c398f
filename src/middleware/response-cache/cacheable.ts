/** Which requests the cache may answer, and under which key. */
import type { EdgeRoute } from "../../contract/edge-manifest.ts";
import { notUtf8Parameters } from "../../lib/unicode.ts";
import type { RawTarget } from "../context/index.ts";
import { windowsOf } from "./entry.ts";
import { tagsFor } from "./invalidations.ts";

export type CacheRoute = Pick<EdgeRoute, "method" | "path" | "policy" | "fields" | "parameters">;

export interface CacheableRoute {
  /** Undefined if the request must reach the handler, which validates it. */
  key(target: RawTarget, field: (name: string) => string | undefined): string | undefined;
  tags(path: string): readonly string[];
  /** How long a 404 is stored, milliseconds. */
  readonly negativeMs: number;
}

/** The field selects what is sent, not what is stored. */
const CONDITION = "if-none-match";
/** The handler rejects any other condition: it is not ASCII (RFC 9110 §5.5), or too long. */
const isPlainCondition = (value: string): boolean => /^[\t\x20-\x7e]{0,1000}$/.test(value);
/** A longer key is not stored, UTF-16 units. */
const MAX_KEY_LENGTH = 2_048;
const MAX_NEGATIVE_MS = 5_000;

/** Whether the route's responses are public, and cached. */
export const isCacheable = ({ method, policy }: Pick<CacheRoute, "method" | "policy">): boolean =>
  method === "GET" && policy.auth === "public" && policy.cache !== undefined;

/**
 * Compiles a route. The key of a request is its target with the parameters sorted, at the origin as its schemas write them:
 * nothing else that a client sends selects a response. A request has no key if it has a parameter that the route does not declare, or one twice, or one
 * that is not UTF-8, or a field that the handler reads.
 *
 * @param tier the edge's keys are URLs, as its store demands; the origin's are the same in every process
 * @param defaultFreshS for a policy without a freshness, seconds; 0 if no 404 is stored
 * @returns undefined if the route's responses are not public, or not cached
 */
export const cacheableRoute = (
  route: CacheRoute,
  tier: "edge" | "origin",
  defaultFreshS: number,
): CacheableRoute | undefined => {
  const { method, policy, fields } = route;
  if (method !== "GET" || policy.auth !== "public" || policy.cache === undefined) return undefined;
  const parameters = new Set(route.parameters);

  const sorted = (query: string): string | undefined => {
    if (query === "") return "";
    // Decoded, it would equal another query, which is valid.
    if (notUtf8Parameters(query).length > 0) return undefined;
    const values = new URLSearchParams(query);
    const names = [...values.keys()];
    if (new Set(names).size !== names.length || names.some((name) => !parameters.has(name))) return undefined;
    values.sort();
    return `?${values}`;
  };

  return {
    key: ({ origin, path, query }, field) => {
      for (const name of fields) {
        const value = field(name);
        if (value !== undefined && (name !== CONDITION || !isPlainCondition(value))) return undefined;
      }
      const search = sorted(query);
      if (search === undefined) return undefined;
      const key = tier === "edge" ? origin + path + search : path + search;
      return key.length <= MAX_KEY_LENGTH ? key : undefined;
    },
    tags: tagsFor(route),
    negativeMs:
      defaultFreshS === 0 ? 0 : Math.min(MAX_NEGATIVE_MS, windowsOf(policy.cache, defaultFreshS).freshMs),
  };
};
