/** What a route's policy and a request's directives make of the cache. */
import { isProblem, type Problem, problem } from "../../contract/problem.ts";
import type { Route } from "../../contract/route.ts";
import { noneMatchHolds } from "../../lib/entity-tag.ts";
import {
  type CacheDirectives,
  readCacheControl,
  secondsOf,
} from "../../middleware/response-cache/cache-control.ts";
import { writeCacheStatus } from "../../middleware/response-cache/cache-status.ts";
import { type CacheWindows, windowsOf } from "../../middleware/response-cache/freshness.ts";
import { tagsFor } from "../../middleware/response-cache/tags.ts";
import type { Answer } from "../http/response.ts";
import type { ParsedInput } from "../middleware/validate.ts";
import type { CacheRequest, CacheResult } from "./answer-cache.ts";

/** By this name answers tell of this cache (RFC 9211 §2). */
const CACHE_NAME = "breakwater-origin";

export interface CachedRoute {
  readonly windows: CacheWindows;
  /** Undefined where the request wants nothing from the cache, and nothing put there. */
  request(asked: AskedOfCache): CacheRequest | undefined;
}

export interface AskedOfCache {
  /** Without its condition, see `unconditional`. */
  readonly input: ParsedInput;
  /** Without its query. */
  readonly path: string;
  /** The edge's; a client's never comes here. */
  readonly cacheControl: string | undefined;
  readonly make: CacheRequest["make"];
}

/** The condition decides what is sent, not what the answer is: whoever makes it for others must not see it. */
const CONDITION = "if-none-match";

export const unconditional = (input: ParsedInput): ParsedInput => {
  const { headers } = input;
  if (typeof headers !== "object" || headers === null || !(CONDITION in headers)) return input;
  return {
    ...input,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => name !== CONDITION)),
  };
};

const NO_DIRECTIVES: CacheDirectives = readCacheControl(undefined);

const maxAgeMsOf = (directives: CacheDirectives): number => {
  if (directives.has("no-cache")) return 0;
  const seconds = secondsOf(directives, "max-age");
  return seconds === undefined ? Number.POSITIVE_INFINITY : seconds * 1000;
};

/**
 * Undefined for a route whose answers are not kept here: of what one principal may see nothing is ever kept for
 * another, so it is not kept at all.
 *
 * @param defaultFreshS where the policy names no freshness, seconds
 */
export const cachedRoute = (name: string, route: Route, defaultFreshS: number): CachedRoute | undefined => {
  const { auth, cache } = route.policy;
  if (route.method !== "GET" || auth !== "public" || cache === undefined) return undefined;
  const windows = windowsOf(cache, defaultFreshS);
  const tagsOf = tagsFor(route);
  return {
    windows,
    request: ({ input: { params, query, headers }, path, cacheControl, make }) => {
      const directives = cacheControl === undefined ? NO_DIRECTIVES : readCacheControl(cacheControl);
      if (directives.has("no-store")) return undefined;
      let tags: readonly string[] | undefined;
      return {
        // Of what has been validated alone: whatever else a request holds does not choose an answer.
        key: JSON.stringify([name, params, query, headers]),
        // What is held has its own.
        get tags() {
          tags ??= tagsOf(path);
          return tags;
        },
        windows,
        maxAgeMs: maxAgeMsOf(directives),
        make,
      };
    },
  };
};

const withHeaders = (
  answer: Answer | Problem,
  headers: Readonly<Record<string, string>>,
): Answer | Problem =>
  isProblem(answer)
    ? problem(answer.code, { ...answer, headers: { ...answer.headers, ...headers } })
    : { ...answer, headers: { ...answer.headers, ...headers } };

/** The answer with what the cache has to say of it. */
export const toldAnswer = ({ answer, status, ageS }: CacheResult): Answer | Problem =>
  withHeaders(answer, {
    "cache-status": writeCacheStatus(CACHE_NAME, status),
    ...(ageS === undefined ? {} : { age: String(ageS) }),
  });

/** The same where nothing was asked of the cache. */
export const bypassedAnswer = (answer: Answer | Problem): Answer | Problem =>
  withHeaders(answer, { "cache-status": writeCacheStatus(CACHE_NAME, { forward: "bypass" }) });

/** 304 in the place of an answer whose version the client holds (RFC 9110 §15.4.5). */
export const conditional = (answer: Answer | Problem, condition: string | undefined): Answer | Problem => {
  if (condition === undefined || isProblem(answer) || answer.status !== 200) return answer;
  const { etag } = answer.headers ?? {};
  if (etag === undefined || !noneMatchHolds(condition, etag)) return answer;
  const { "content-type": _, ...headers } = answer.headers ?? {};
  return { status: 304, headers };
};
