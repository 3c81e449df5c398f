/**
 * How a route is declared: method, path, schemas of request and response, and its policy. The edge's table, the origin's
 * validation, the OpenAPI document and the client's types are derived from it.
 */
import type * as z from "zod/mini";
import {
  DEFAULT_MAX_BODY_BYTES,
  DEFAULT_TIMEOUT_MS,
  type Limit,
  MAX_BODY_BYTES,
  MAX_TIMEOUT_MS,
  MOST_OF_LIMIT,
  OPERATOR_SCOPE,
  type Policy,
  type Retry,
} from "./policy.ts";
import type { ProblemCode } from "./problem.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export type Schema = z.core.$ZodType;
/** An object schema, whose keys are known without parsing anything. */
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
  /** A JSON body; without one the response is empty, or of `mediaType`. */
  readonly body?: Schema;
  /** @default application/json if there is a body */
  readonly mediaType?: string;
  /** Header fields of the response, in lower case, each with its description. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Route {
  readonly method: Method;
  /** Segments are literal or `:name`. */
  readonly path: `/${string}`;
  readonly summary: string;
  readonly description?: string;
  /** Its heading in the documentation. */
  readonly tag: string;
  readonly request?: RequestShape;
  readonly responses: Readonly<Record<number, ResponseShape>>;
  /** Beside the problems that every route can return. */
  readonly problems?: readonly ProblemCode[];
  readonly policy: Policy;
}

/** Routes by operation name. */
export type Routes = Readonly<Record<string, Route>>;

/** A declaration that contradicts itself; thrown while the contract loads. */
export class ContractError extends Error {}

export const pathParameters = (path: string): string[] =>
  path.split("/").flatMap((segment) => (segment.startsWith(":") ? [segment.slice(1)] : []));

/**
 * Declares a route.
 *
 * @throws ContractError where path and schema name different parameters, a GET takes a body, a size, time or limit
 *   is out of its bounds, a tag cannot be one, or a retry is promised that the method or the headers do not allow.
 */
export const defineRoute = <const R extends Route>(route: R): R => {
  const refuse = (why: string): never => {
    throw new ContractError(`${route.method} ${route.path}: ${why}`);
  };
  const { request = {}, policy }: Route = route;
  const inPath = pathParameters(route.path).sort().join();
  const inSchema = Object.keys(request.params?.shape ?? {})
    .sort()
    .join();
  if (inPath !== inSchema) refuse(`the path names (${inPath}), the params schema (${inSchema})`);
  if (route.method === "GET" && request.body !== undefined) refuse("a GET takes no body");
  if (policy.maxBody !== undefined && !isWithin(policy.maxBody, 0, MAX_BODY_BYTES)) {
    refuse(`maxBody must be within 0 and ${MAX_BODY_BYTES} bytes`);
  }
  if (policy.timeout !== undefined && !isWithin(policy.timeout, 1, MAX_TIMEOUT_MS)) {
    refuse(`timeout must be within 1 and ${MAX_TIMEOUT_MS} ms`);
  }
  const scopes = policy.auth === "public" ? [] : policy.auth.scopes;
  if (!scopes.every((scope) => SCOPE.test(scope))) refuse("a scope holds no space, quote or backslash");
  const fields = Object.keys(request.headers?.shape ?? {});
  if (fields.some((name) => name !== name.toLowerCase())) refuse("header fields are named in lower case");
  checkLimits(policy.limit ?? [], refuse);
  checkTags(route, refuse);
  checkRetry(route, refuse);
  return route;
};

/** RFC 6749 §3.3, `scope-token`. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** It is used in header fields, in Redis keys, and before a colon. */
const LIMIT_NAME = /^[a-z][a-z0-9-]{0,62}$/;
/** One round trip checks all of them. */
const MAX_LIMITS = 8;

const checkLimits = (limits: readonly Limit[], refuse: (why: string) => never): void => {
  if (limits.length > MAX_LIMITS) refuse(`a route has at most ${MAX_LIMITS} limits`);
  for (const { name, capacity, refillPerSecond, cost = 1 } of limits) {
    const refuseLimit = (why: string): never => refuse(`the limit ${JSON.stringify(name)} ${why}`);
    if (!LIMIT_NAME.test(name)) refuseLimit("is named by lower-case letters, digits and hyphens alone");
    if (limits.filter((other) => other.name === name).length > 1) refuseLimit("is named twice");
    if (!isWithin(capacity, 1, MOST_OF_LIMIT.capacity))
      refuseLimit(`has a capacity within 1 and ${MOST_OF_LIMIT.capacity}`);
    if (!(refillPerSecond > 0 && refillPerSecond <= MOST_OF_LIMIT.refillPerSecond))
      refuseLimit(`refills more than 0 and at most ${MOST_OF_LIMIT.refillPerSecond} a second`);
    if (capacity / refillPerSecond > MOST_OF_LIMIT.windowS) refuseLimit("is not full again within a year");
    if (!isWithin(cost, 1, capacity))
      refuseLimit("costs a whole number, at least 1 and at most its capacity");
  }
};

/** Visible ASCII without a comma: tags stand in a list in a header field. */
const TAG = /^[\x21-\x2b\x2d-\x7e]{1,100}$/;

const checkTags = ({ path, policy }: Route, refuse: (why: string) => never): void => {
  const parameters = pathParameters(path);
  for (const tag of policy.cache?.tags ?? []) {
    if (!TAG.test(tag)) refuse(`the tag ${JSON.stringify(tag)} is not visible ASCII without a comma`);
    const unknown = pathParameters(tag).find((name) => !parameters.includes(name));
    if (unknown !== undefined) refuse(`the tag ${tag} names :${unknown}, which the path does not have`);
  }
};

/** Whole numbers only. */
const isWithin = (value: number, min: number, max: number): boolean =>
  Number.isInteger(value) && value >= min && value <= max;

const RETRY_METHODS: Readonly<Record<Exclude<Retry, "never">, readonly Method[]>> = {
  safe: ["GET"],
  idempotent: ["PUT", "DELETE"],
  "with-key": ["POST"],
};

const checkRetry = ({ method, policy, request }: Route, refuse: (why: string) => never): void => {
  const { retry = "never", auth } = policy;
  if (retry === "never") return;
  const methods = RETRY_METHODS[retry];
  if (!methods.includes(method)) refuse(`retry "${retry}" is for ${methods.join(", ")}`);
  if (retry !== "with-key") return;
  if (auth === "public") refuse('retry "with-key" needs a principal whose key it is');
  if (!("idempotency-key" in (request?.headers?.shape ?? {})))
    refuse('retry "with-key" needs the header idempotency-key in its request');
};

export const maxBodyBytes = (route: Route): number =>
  route.policy.maxBody ?? (route.request?.body === undefined ? 0 : DEFAULT_MAX_BODY_BYTES);

export const timeoutMs = (route: Route): number => route.policy.timeout ?? DEFAULT_TIMEOUT_MS;

/** Routes that share a limit agree in these; cost and dry run may differ. */
const SHARED = ["capacity", "refillPerSecond", "per", "strict", "onStoreFailure"] as const;

/** The routes' limits by name. @throws ContractError if two routes mean different limits by one name */
export const limitsOf = (routes: Routes): ReadonlyMap<string, Limit> => {
  const limits = new Map<string, Limit>();
  for (const route of Object.values(routes)) {
    for (const limit of route.policy.limit ?? []) {
      const earlier = limits.get(limit.name) ?? limit;
      const other = SHARED.find((name) => (earlier[name] ?? false) !== (limit[name] ?? false));
      if (other !== undefined) {
        throw new ContractError(
          `${route.method} ${route.path}: the limit ${limit.name} has another ${other} elsewhere`,
        );
      }
      limits.set(limit.name, earlier);
    }
  }
  return limits;
};

/** The scopes that routes require, sorted. */
export const scopesOf = (routes: Routes): string[] => {
  const scopes = Object.values(routes).flatMap(({ policy }) =>
    policy.auth === "public" ? [] : policy.auth.scopes,
  );
  return [...new Set(scopes)].sort();
};

/** Every scope that a key may have. */
export const keyScopes = (routes: Routes): string[] => [...new Set([...scopesOf(routes), OPERATOR_SCOPE])];
