/** The contract as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1). For the origin, not the edge. */
import * as z from "zod/mini";
import { type ProblemCode, problemTypes, problemTypeUri } from "./problem.ts";
import {
  ContractError,
  maxBodyBytes,
  type ObjectSchema,
  type ResponseShape,
  type Route,
  type Routes,
  type Schema,
} from "./route.ts";
import { scopesOf } from "./scopes.ts";

export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly schema: JsonSchema;
}

export interface MediaType {
  readonly schema: JsonSchema;
}

export interface ResponseObject {
  readonly description: string;
  readonly headers?: Readonly<Record<string, { description: string; schema: JsonSchema }>>;
  readonly content?: Readonly<Record<string, MediaType>>;
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required: true; readonly content: Readonly<Record<string, MediaType>> };
  readonly responses: Readonly<Record<string, ResponseObject>>;
}

export interface OpenApiDocument {
  readonly openapi: "3.1.1";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly securitySchemes: JsonSchema;
  };
}

/** Problems that any route may answer with. */
const COMMON: readonly ProblemCode[] = [
  "invalid_request",
  "not_found",
  "internal",
  "bad_gateway",
  "unavailable",
  "deadline_exceeded",
];

const problemsOf = (route: Route): ProblemCode[] => {
  const codes = new Set<ProblemCode>([...COMMON, ...(route.problems ?? [])]);
  if (route.policy.auth !== "public") codes.add("unauthenticated").add("forbidden");
  if (route.policy.retry === "with-key") codes.add("idempotency_key_in_use").add("idempotency_key_reused");
  if (route.policy.limit?.some(({ dryRun }) => dryRun !== true)) codes.add("rate_limited");
  if (maxBodyBytes(route) > 0)
    codes.add("content_too_large").add("unsupported_media_type").add("request_timeout");
  return [...codes];
};

/** Schemas with a name of their own are gathered here and referred to. */
type Components = Record<string, JsonSchema>;

type Direction = "input" | "output";

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const NAMELESS = "a schema that holds itself needs a name: use named()";

/** Moves `$defs` to the document's components, and points references there. */
const hoist = (value: unknown, components: Components): unknown => {
  if (Array.isArray(value)) return value.map((each) => hoist(each, components));
  if (!isObject(value)) return value;
  const { $schema: _, $defs, $ref, ...rest } = value;
  if (isObject($defs)) {
    for (const [name, schema] of Object.entries($defs)) keep(components, name, hoist(schema, components));
  }
  if ($ref === "#") throw new ContractError(NAMELESS);
  const hoisted = Object.fromEntries(
    Object.entries(rest).map(([key, each]) => [key, hoist(each, components)]),
  );
  return typeof $ref === "string"
    ? { ...hoisted, $ref: $ref.replace("#/$defs/", "#/components/schemas/") }
    : hoisted;
};

/**
 * @throws ContractError for a schema that has no name of its own, or another form under the same name: the
 *   first where it holds itself, the second where what goes in and what comes out of it differ
 */
const keep = (components: Components, name: string, schema: unknown): void => {
  if (name.startsWith("__schema")) throw new ContractError(NAMELESS);
  const written = withoutId(schema);
  const earlier = components[name];
  if (earlier !== undefined && JSON.stringify(earlier) !== JSON.stringify(written)) {
    throw new ContractError(`the schema ${name} has two forms: name them apart`);
  }
  components[name] = written;
};

const withoutId = (schema: unknown): JsonSchema => {
  if (!isObject(schema)) return {};
  const { id: _, ...rest } = schema;
  return rest;
};

const jsonSchema = (schema: Schema, io: Direction, components: Components): JsonSchema => {
  const written = withoutId(hoist(z.toJSONSchema(schema, { io, unrepresentable: "any" }), components));
  const name = z.globalRegistry.get(schema)?.id;
  if (name === undefined) return written;
  if (!("$ref" in written)) keep(components, name, written);
  return { $ref: `#/components/schemas/${name}` };
};

/** What a parameter means is its output (a number), whether it may be left out is its input's to say. */
const parametersIn = (
  place: Parameter["in"],
  shape: ObjectSchema | undefined,
  components: Components,
): Parameter[] => {
  if (shape === undefined) return [];
  const { required } = z.toJSONSchema(shape, { io: "input", unrepresentable: "any" });
  return Object.entries(shape.shape).map(([name, schema]) => ({
    name,
    in: place,
    required: required?.includes(name) ?? false,
    schema: jsonSchema(schema, "output", components),
  }));
};

const responseObject = (shape: ResponseShape, components: Components): ResponseObject => {
  const mediaType = shape.mediaType ?? "application/json";
  const schema =
    shape.body === undefined
      ? shape.mediaType && { type: "string" }
      : jsonSchema(shape.body, "output", components);
  return {
    description: shape.description,
    ...(shape.headers && {
      headers: Object.fromEntries(
        Object.entries(shape.headers).map(([name, description]) => [
          name,
          { description, schema: { type: "string" } },
        ]),
      ),
    }),
    ...(schema && { content: { [mediaType]: { schema } } }),
  };
};

const problemResponses = (route: Route): Record<string, ResponseObject> => {
  const byStatus = Map.groupBy(problemsOf(route), (code) => problemTypes[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      String(status),
      {
        description: codes.map((code) => `\`${code}\`: ${problemTypes[code].title}`).join("; "),
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    ]),
  );
};

const operation = (operationId: string, route: Route, components: Components): Operation => {
  const { request = {}, policy } = route;
  const parameters = [
    ...parametersIn("path", request.params, components),
    ...parametersIn("query", request.query, components),
    ...parametersIn("header", request.headers, components),
  ];
  const responses = Object.entries(route.responses).map(
    ([status, shape]) => [status, responseObject(shape, components)] as const,
  );
  return {
    operationId,
    summary: route.summary,
    ...(route.description && { description: route.description }),
    tags: [route.tag],
    security: policy.auth === "public" ? [] : [{ apiKey: policy.auth.scopes }],
    ...(parameters.length > 0 && { parameters }),
    ...(request.body && {
      requestBody: {
        required: true as const,
        content: { "application/json": { schema: jsonSchema(request.body, "input", components) } },
      },
    }),
    responses: { ...problemResponses(route), ...Object.fromEntries(responses) },
  };
};

const problemSchema: JsonSchema = {
  type: "object",
  description: "RFC 9457. `code` names the problem for programs, `type` leads to its description.",
  required: ["type", "title", "status", "code", "requestId"],
  properties: {
    type: {
      type: "string",
      enum: Object.keys(problemTypes).map((code) => problemTypeUri(code as ProblemCode)),
    },
    title: { type: "string" },
    status: { type: "integer" },
    code: { type: "string", enum: Object.keys(problemTypes) },
    requestId: { type: "string", format: "uuid" },
    detail: { type: "string" },
    errors: {
      type: "array",
      items: {
        type: "object",
        required: ["in", "field", "detail"],
        properties: {
          in: { enum: ["body", "query", "path", "header"] },
          field: { type: "string" },
          detail: { type: "string" },
        },
        additionalProperties: false,
      },
    },
    "violated-policies": {
      type: "array",
      description: "The limits that refuse the request; RateLimit-Policy says what they are.",
      items: { type: "string" },
    },
  },
  additionalProperties: false,
};

/** `/v1/products/:id` as OpenAPI writes it: `/v1/products/{id}`. */
export const templatedPath = (path: string): string => path.replaceAll(/\/:([^/]+)/g, "/{$1}");

export const openApiDocument = (
  routes: Routes,
  info: { title: string; version: string },
): OpenApiDocument => {
  const components: Components = { Problem: problemSchema };
  const paths: Record<string, Record<string, Operation>> = {};
  for (const [name, route] of Object.entries(routes)) {
    const path = templatedPath(route.path);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(name, route, components) };
  }
  return {
    openapi: "3.1.1",
    info: { ...info, description: "Errors are RFC 9457 problems; every answer carries X-Request-Id." },
    servers: [{ url: "/" }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        apiKey: {
          type: "http",
          scheme: "bearer",
          description: `An API key, or, where the edge is configured so, an access token of an issuer. Scopes: ${scopesOf(routes).join(", ")}.`,
        },
      },
    },
  };
};
