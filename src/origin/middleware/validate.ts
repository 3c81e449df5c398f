/** Validates a request by its route's schemas. Every error names its field. */
import * as z from "zod/mini";
import { type FieldError, type Problem, problem } from "../../contract/problem.ts";
import type { Route, Schema } from "../../contract/route.ts";
import { notUnicodeAt, notUtf8Parameters } from "../../lib/unicode.ts";
import { type Identity, missingScopes } from "../../middleware/auth/principal.ts";
import type { OriginDependencies } from "../app.ts";
import type { Operation } from "../handler.ts";
import type { OriginContext, OriginMiddleware } from "./context.ts";
import { notExecuted, ProblemError } from "./error-handler.ts";

// English messages for issues whose schema has no message.
z.config(z.locales.en());

export interface ParsedInput {
  readonly params: unknown;
  readonly query: unknown;
  readonly headers: unknown;
  readonly body: unknown;
}

/** Errors in one response. */
const MAX_ERRORS = 20;

/** `["lines", 0, "quantity"]` as `lines[0].quantity`. */
const fieldName = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (name, key) =>
      typeof key === "number" ? `${name}[${key}]` : name === "" ? String(key) : `${name}.${String(key)}`,
    "",
  );

const errorsOf = (place: FieldError["in"], issues: readonly z.core.$ZodIssue[]): FieldError[] =>
  issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({
          in: place,
          field: fieldName([...issue.path, key]),
          detail: "Unknown field",
        }))
      : [{ in: place, field: fieldName(issue.path), detail: issue.message }],
  );

/** A repeated parameter is an error: no rule chooses one of the values. @param text as sent */
const singleValues = (text: string): Record<string, string> | FieldError[] => {
  if (text === "") return {};
  const malformed = notUtf8Parameters(text);
  if (malformed.length > 0)
    return malformed.map((field) => ({ in: "query", field, detail: "Must be percent-encoded UTF-8" }));
  const query = new URLSearchParams(text);
  const names = [...query.keys()];
  const repeated = [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
  if (repeated.length > 0) {
    return repeated.map((field) => ({ in: "query" as const, field, detail: "Must not be repeated" }));
  }
  return Object.fromEntries(query);
};

const NOT_UNICODE = "Must be Unicode text, without lone surrogates";

/** Made once: making one takes longer than decoding a body. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

const parseJson = (bytes: Uint8Array): { value: unknown } | FieldError => {
  if (bytes.byteLength === 0) return { in: "body", field: "", detail: "A JSON body is required" };
  try {
    const json = utf8.decode(bytes);
    const value: unknown = JSON.parse(json);
    const path = notUnicodeAt(json, value);
    return path === undefined ? { value } : { in: "body", field: fieldName(path), detail: NOT_UNICODE };
  } catch {
    return { in: "body", field: "", detail: "The body is not valid JSON in UTF-8" };
  }
};

/** The query of a route without parameters. */
const NO_FIELDS = z.strictObject({});
const NO_BODY = new Uint8Array(0);

/** @returns the route's input as its handler receives it, or the problem with every error in it */
export const validate = (
  { request = {} }: Route,
  c: OriginContext,
  body: Uint8Array = NO_BODY,
): ParsedInput | Problem<"invalid_request"> => {
  const errors: FieldError[] = [];
  const parse = (place: FieldError["in"], schema: Schema | undefined, value: unknown): unknown => {
    if (schema === undefined) return undefined;
    const result = z.safeParse(schema, value);
    if (!result.success) errors.push(...errorsOf(place, result.error.issues));
    return result.data;
  };

  const query = singleValues(c.get("target").query);
  if (Array.isArray(query)) errors.push(...query);
  const names = Object.keys(request.headers?.shape ?? {});
  const headers = Object.fromEntries(names.map((name) => [name, c.req.header(name)]));
  const parsed = {
    params: parse("path", request.params, c.req.param()),
    query: Array.isArray(query) ? undefined : parse("query", request.query ?? NO_FIELDS, query),
    headers: parse("header", request.headers, headers),
    body: undefined as unknown,
  };
  if (request.body !== undefined) {
    const json = parseJson(body);
    if ("value" in json) parsed.body = parse("body", request.body, json.value);
    else errors.push(json);
  }
  return errors.length === 0 ? parsed : problem("invalid_request", { errors: errors.slice(0, MAX_ERRORS) });
};

/** Repeats the guards' check of the scopes: protected data does not depend on them alone. */
const authorize = ({ policy }: Route, identity: Identity): Problem | undefined => {
  if (policy.auth === "public") return undefined;
  if (identity.auth === "none") return problem("unauthenticated");
  return missingScopes(policy.auth, identity.principal).length > 0 ? problem("forbidden") : undefined;
};

/** Rejects requests before the migrations, after their deadline, or without the route's scopes. */
export const precheck =
  ({ name, route }: Operation, { readiness, now }: OriginDependencies): OriginMiddleware =>
  (c, next) => {
    c.set("operation", name);
    if (!readiness.isMigrated) throw new ProblemError(notExecuted);
    if (c.get("deadlineAtMs") <= now()) throw new ProblemError(problem("deadline_exceeded"));
    const rejection = authorize(route, c.get("identity"));
    if (rejection !== undefined) throw new ProblemError(rejection);
    return next();
  };
