/** Reads and validates what a route takes; every error names its field. */
import * as z from "zod/mini";
import { type FieldError, type Problem, problem } from "../contract/problem.ts";
import type { Route, Schema } from "../contract/route.ts";

// English messages for issues that a schema gives none of its own.
z.config(z.locales.en());

export interface RawInput {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly header: (name: string) => string | undefined;
  readonly body: Uint8Array;
}

export interface ParsedInput {
  readonly params: unknown;
  readonly query: unknown;
  readonly headers: unknown;
  readonly body: unknown;
}

/** More are not told: an answer has a size too. */
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
          detail: "There is no such field",
        }))
      : [{ in: place, field: fieldName(issue.path), detail: issue.message }],
  );

/** A parameter that comes twice is an error, not a choice. */
const singleValues = (query: URLSearchParams): Record<string, string> | FieldError[] => {
  const names = [...query.keys()];
  const repeated = [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
  if (repeated.length > 0) {
    return repeated.map((field) => ({ in: "query" as const, field, detail: "Must be given once only" }));
  }
  return Object.fromEntries(query);
};

const parseJson = (bytes: Uint8Array): { value: unknown } | FieldError => {
  if (bytes.byteLength === 0) return { in: "body", field: "", detail: "A JSON body is needed" };
  try {
    return { value: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) };
  } catch {
    return { in: "body", field: "", detail: "The body is not JSON in UTF-8" };
  }
};

/** The route's input as its handler gets it, or the problem with every error in it. */
export const readInput = (
  { request = {} }: Route,
  raw: RawInput,
): ParsedInput | Problem<"invalid_request"> => {
  const errors: FieldError[] = [];
  const parse = (place: FieldError["in"], schema: Schema | undefined, value: unknown): unknown => {
    if (schema === undefined) return undefined;
    const result = z.safeParse(schema, value);
    if (!result.success) errors.push(...errorsOf(place, result.error.issues));
    return result.data;
  };

  const query = singleValues(raw.query);
  if (Array.isArray(query)) errors.push(...query);
  const names = Object.keys(request.headers?.shape ?? {});
  const headers = Object.fromEntries(names.flatMap((name) => [[name, raw.header(name)]]));
  const parsed = {
    params: parse("path", request.params, raw.params),
    // A route without query parameters takes none.
    query: Array.isArray(query) ? undefined : parse("query", request.query ?? NO_FIELDS, query),
    headers: parse("header", request.headers, headers),
    body: undefined as unknown,
  };
  if (request.body !== undefined) {
    const json = parseJson(raw.body);
    if ("value" in json) parsed.body = parse("body", request.body, json.value);
    else errors.push(json);
  }
  return errors.length === 0 ? parsed : problem("invalid_request", { errors: errors.slice(0, MAX_ERRORS) });
};

const NO_FIELDS = z.strictObject({});
