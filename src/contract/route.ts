/** Route declarations: the source of the edge's table, validation, OpenAPI and the client's types. */
import * as z from "zod/mini";
import { durationMs, parseDuration } from "./duration.ts";
import {
  type Cache,
  type Cors,
  DEFAULT_MAX_BODY_BYTES,
  DEFAULT_TIMEOUT_MS,
  IGNORED_BODY_BYTES,
  LIMIT_BOUNDS,
  type Limit,
  MAX_BODY_BYTES,
  MAX_CACHE_S,
  MAX_CONCURRENT,
  MAX_TIMEOUT_MS,
  OPERATOR_SCOPE,
  type Policy,
  type Retry,
} from "./policy.ts";
import type { ProblemCode } from "./problem.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export type Schema = z.core.$ZodType;
export type ObjectSchema = z.ZodMiniObject;

export interface RequestShape {
  readonly params?: ObjectSchema;
  readonly query?: ObjectSchema;
  /** Header fields that the handler reads, in lower case. The edge forwards no others. */
  readonly headers?: ObjectSchema;
  readonly body?: Schema;
}

export interface ResponseShape {
  readonly description: string;
  /** A JSON body; without it the response is empty, or of `mediaType`. */
  readonly body?: Schema;
  /** @default application/json with a body */
  readonly mediaType?: string;
  /** Descriptions of header fields, by name in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Route {
  readonly method: Method;
  /** Segments are literal or `:name`. */
  readonly path: `/${string}`;
  readonly summary: string;
  readonly description?: string;
  /** Heading in the documentation. */
  readonly tag: string;
  readonly request?: RequestShape;
  readonly responses: Readonly<Record<number, ResponseShape>>;
  /** Besides those that every route can return. */
  readonly problems?: readonly ProblemCode[];
  readonly policy: Policy;
  /** @default it stays */
  readonly deprecated?: Deprecation;
}

/** A route that clients should stop using. Dates are ISO 8601: `2027-01-31`, or with a time. */
export interface Deprecation {
  /** When it was, or will be, deprecated. */
  readonly since: string;
  /** When it may stop responding. @default not decided */
  readonly sunset?: string;
  /** What to use instead, for developers. */
  readonly link?: string;
}

/** Routes by operation name. */
export type Routes = Readonly<Record<string, Route>>;

/** An invalid declaration; thrown while the contract loads. */
export class ContractError extends Error {}

const pathParameters = (path: string): string[] =>
  path.split("/").flatMap((segment) => (segment.startsWith(":") ? [segment.slice(1)] : []));

/** Whole numbers only. */
const isWithin = (value: number | undefined, min: number, max: number): boolean =>
  value !== undefined && Number.isInteger(value) && value >= min && value <= max;

/** RFC 6749 §3.3, `scope-token`. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** Declares a route. @throws ContractError that names what contradicts itself or is out of bounds */
export const defineRoute = <const R extends Route>(route: R): R => {
  const refuse = (why: string): never => {
    throw new ContractError(`${route.method} ${route.path}: ${why}`);
  };
  const { request = {}, policy }: Route = route;
  const { timeout, maxConcurrent = 1, auth } = policy;
  const inPath = pathParameters(route.path).sort().join();
  const inSchema = Object.keys(request.params?.shape ?? {})
    .sort()
    .join();
  if (inPath !== inSchema) refuse(`the path names (${inPath}), the params schema (${inSchema})`);
  if (timeout !== undefined && !isWithin(parseDuration(timeout), 1, MAX_TIMEOUT_MS))
    refuse("timeout must be a duration within 1ms and 5m, such as 15s");
  if (!isWithin(maxConcurrent, 1, MAX_CONCURRENT))
    refuse(`maxConcurrent must be within 1 and ${MAX_CONCURRENT}`);
  if (auth !== "public" && !auth.scopes.every((scope) => SCOPE.test(scope)))
    refuse("a scope must not contain a space, quote or backslash");
  const fields = Object.keys(request.headers?.shape ?? {});
  if (fields.some((name) => name !== name.toLowerCase())) refuse("header fields must be in lower case");
  checkBody(route, refuse);
  checkLimits(policy, refuse);
  if (policy.cors !== undefined) checkCors(policy.cors, refuse);
  if (policy.cache !== undefined) checkCache(policy.cache, route, refuse);
  checkRetry(route, refuse);
  if (route.deprecated !== undefined) checkDeprecation(route.deprecated, refuse);
  return route;
};

const checkBody = ({ method, policy, request = {} }: Route, refuse: (why: string) => never): void => {
  const { maxBody } = policy;
  if (method === "GET" && request.body !== undefined) refuse("a GET takes no body");
  if (maxBody === undefined) return;
  if (!isWithin(maxBody, 0, MAX_BODY_BYTES)) refuse(`maxBody must be within 0 and ${MAX_BODY_BYTES} bytes`);
  // `fetch` sends no GET with a body, so the edge could not forward it.
  if (method === "GET" && maxBody > 0) refuse("a GET takes no body: leave maxBody out");
  if (maxBody === 0 && request.body !== undefined) refuse("takes a body, which a maxBody of 0 rejects");
};

/** An entry that is written differently than browsers write it would match none. */
const checkCors = ({ origins }: Cors, refuse: (why: string) => never): void => {
  if (origins === "*") return;
  const wrong = origins.find((origin) => !URL.canParse(origin) || new URL(origin).origin !== origin);
  if (wrong !== undefined)
    refuse(`the CORS origin ${JSON.stringify(wrong)} must be like https://shop.example, without a path`);
};

/** Valid in header fields and Redis keys, without a colon. */
const LIMIT_NAME = /^[a-z][a-z0-9-]{0,62}$/;
/** One round trip checks all of them. */
const MAX_LIMITS = 8;

const checkLimits = ({ auth, limit: limits = [] }: Policy, refuse: (why: string) => never): void => {
  const { capacity: maxCapacity, refillPerSecond: maxRefill, windowS } = LIMIT_BOUNDS;
  if (limits.length > MAX_LIMITS) refuse(`a route has at most ${MAX_LIMITS} limits`);
  for (const { name, capacity, refillPerSecond, per, cost = 1 } of limits) {
    const refuseLimit = (why: string): never => refuse(`the limit ${JSON.stringify(name)} ${why}`);
    if (!LIMIT_NAME.test(name)) refuseLimit("must be named with lower-case letters, digits and hyphens");
    if (limits.filter((other) => other.name === name).length > 1) refuseLimit("occurs twice");
    if (!isWithin(capacity, 1, maxCapacity)) refuseLimit(`must have a capacity within 1 and ${maxCapacity}`);
    if (!(refillPerSecond > 0 && refillPerSecond <= maxRefill))
      refuseLimit(`must refill more than 0 and at most ${maxRefill} per second`);
    if (capacity / refillPerSecond > windowS) refuseLimit("must refill completely within a year");
    if (per === "principal" && auth === "public")
      refuseLimit('counts principals, whom a public route does not identify: use per "client"');
    if (!isWithin(cost, 1, capacity)) refuseLimit("must cost a whole number, from 1 to its capacity");
  }
};

/** Visible ASCII without a comma: tags form a list in a header field. */
const TAG = /^[\x21-\x2b\x2d-\x7e]{1,100}$/;

/** Where a response would not be stored, the policy must not promise it. */
const checkCache = (cache: Cache, route: Route, refuse: (why: string) => never): void => {
  const { method, path, policy, request = {} } = route;
  if (policy.auth !== "public") refuse('cache needs auth "public": a cached response is for every client');
  if (method !== "GET") refuse("cache is for GET");
  const { fresh = "1s", staleWhileRevalidate = "0s", staleIfError = "0s", tags = [] } = cache;
  const windows = [fresh, staleWhileRevalidate, staleIfError].map(
    (window) => (parseDuration(window) ?? Number.NaN) / 1_000,
  );
  if (!windows.every((seconds) => isWithin(seconds, 0, MAX_CACHE_S)))
    refuse("cache windows must be durations of whole seconds, at most 365d");
  if (windows.every((seconds) => seconds === 0)) refuse("cache stores nothing: all of its windows are 0");
  const fields = Object.entries<Schema>(request.headers?.shape ?? {});
  const needed = fields.find(([, schema]) => !z.safeParse(schema, undefined).success);
  if (needed !== undefined)
    refuse(`cache stores nothing: it has no response that depends on a field, and ${needed[0]} is required`);
  const parameters = pathParameters(path);
  for (const tag of tags) {
    if (!TAG.test(tag)) refuse(`the tag ${JSON.stringify(tag)} must be visible ASCII without a comma`);
    const unknown = pathParameters(tag).find((name) => !parameters.includes(name));
    if (unknown !== undefined) refuse(`the tag ${tag} names :${unknown}, which the path does not have`);
  }
};

const ISO_DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$/;

const checkDeprecation = (
  { since, sunset = since, link }: Deprecation,
  refuse: (why: string) => never,
): void => {
  for (const date of [since, sunset])
    if (!ISO_DATE.test(date) || Number.isNaN(Date.parse(date)))
      refuse(`${JSON.stringify(date)} must be a date such as 2027-01-31 or 2027-01-31T12:00Z`);
  // RFC 9745 §4.
  if (Date.parse(sunset) < Date.parse(since)) refuse("sunset must not be before since");
  if (link !== undefined && !/^https?:\/\/[^\s"<>]+$/.test(link)) refuse("link must be an absolute URL");
};

/** The header fields of a deprecated route's responses (RFC 9745 §2 and §3, RFC 8594 §3). */
export const deprecationFields = ({ since, sunset, link }: Deprecation): Record<string, string> => ({
  deprecation: `@${Date.parse(since) / 1_000}`,
  ...(sunset !== undefined && { sunset: new Date(sunset).toUTCString() }),
  ...(link !== undefined && { link: `<${link}>; rel="deprecation"` }),
});

const RETRY_METHODS: Readonly<Record<Exclude<Retry, "never">, readonly Method[]>> = {
  safe: ["GET"],
  idempotent: ["PUT", "DELETE"],
  "with-key": ["POST"],
};

const checkRetry = ({ method, policy, request }: Route, refuse: (why: string) => never): void => {
  const { retry = "never", auth } = policy;
  const hasKey = "idempotency-key" in (request?.headers?.shape ?? {});
  if (retry !== "never") {
    const methods = RETRY_METHODS[retry];
    if (!methods.includes(method)) refuse(`retry "${retry}" is for ${methods.join(", ")}`);
  }
  if (retry !== "with-key") {
    if (hasKey) refuse('the request header idempotency-key has no effect without retry "with-key"');
    return;
  }
  if (auth === "public") refuse('retry "with-key" needs a principal that owns the key');
  if (!hasKey) refuse('retry "with-key" needs the request header idempotency-key');
};

export const maxBodyBytes = ({ method, request, policy }: Route): number => {
  if (policy.maxBody !== undefined) return policy.maxBody;
  if (request?.body !== undefined) return DEFAULT_MAX_BODY_BYTES;
  return method === "GET" ? 0 : IGNORED_BODY_BYTES;
};

export const timeoutMs = (route: Route): number =>
  route.policy.timeout === undefined ? DEFAULT_TIMEOUT_MS : durationMs(route.policy.timeout);

/** Routes that share a limit agree in these; cost and dry run may differ. */
const SHARED = ["capacity", "refillPerSecond", "per", "strict", "onStoreFailure"] as const;

/** The routes' limits by name. @throws ContractError if two routes declare different limits with one name */
export const limitsOf = (routes: Routes): ReadonlyMap<string, Limit> => {
  const limits = new Map<string, Limit>();
  for (const { method, path, policy } of Object.values(routes)) {
    for (const limit of policy.limit ?? []) {
      const earlier = limits.get(limit.name) ?? limit;
      const other = SHARED.find((name) => (earlier[name] ?? false) !== (limit[name] ?? false));
      if (other !== undefined)
        throw new ContractError(`${method} ${path}: the limit ${limit.name} has another ${other} elsewhere`);
      limits.set(limit.name, earlier);
    }
  }
  return limits;
};

/** The scopes that routes require, sorted. */
export const scopesOf = (routes: Routes): string[] => {
  const scopes = Object.values(routes).map(({ policy }) =>
    policy.auth === "public" ? [] : policy.auth.scopes,
  );
  return [...new Set(scopes.flat())].sort();
};

/** Every scope that a key may have. */
export const keyScopes = (routes: Routes): string[] => [...new Set([...scopesOf(routes), OPERATOR_SCOPE])];
