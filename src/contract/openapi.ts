/** The contract as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1), for the origin only. */
import * as z from "zod/mini";
import { isProblemCode, type ProblemCode, problemTypes, problemTypeUri } from "./problem.ts";
import {
  ContractError,
  maxBodyBytes,
  type ObjectSchema,
  type ResponseShape,
  type Route,
  type Routes,
  type Schema,
  scopesOf,
} from "./route.ts";
import { named } from "./schemas.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;
export type Operation = ReturnType<typeof operation>;
export type OpenApiDocument = ReturnType<typeof openApiDocument>;
type ResponseObject = ReturnType<typeof responseObject>;

/** Problems that every route, or its path, can return. */
const COMMON: readonly ProblemCode[] = [
  "invalid_request",
  "blocked",
  "not_found",
  "method_not_allowed",
  "content_too_large",
  "uri_too_long",
  "internal",
  "bad_gateway",
  "unavailable",
  "deadline_exceeded",
];

const problemsOf = (route: Route): ProblemCode[] => {
  const codes = new Set<ProblemCode>([...COMMON, ...(route.problems ?? [])]);
  // The limit of wrong credentials applies without any of the route's own.
  if (route.policy.auth !== "public") codes.add("unauthenticated").add("forbidden").add("rate_limited");
  if (route.method !== "GET") codes.add("outcome_unknown");
  if (route.policy.retry === "with-key") codes.add("idempotency_key_in_use").add("idempotency_key_reused");
  if (route.policy.limit?.some(({ dryRun }) => dryRun !== true)) codes.add("rate_limited");
  if (maxBodyBytes(route) > 0) codes.add("unsupported_media_type").add("request_timeout");
  return [...codes];
};

/** Named schemas. */
type Components = Record<string, JsonSchema>;

const NAMELESS = "a recursive schema needs a name: use named()";

/** @throws ContractError for a recursive schema without a name, or two schemas with one name */
const addComponent = (components: Components, name: string, { id: _, ...schema }: JsonSchema): void => {
  if (name.startsWith("__schema")) throw new ContractError(NAMELESS);
  const earlier = components[name];
  if (earlier !== undefined && JSON.stringify(earlier) !== JSON.stringify(schema)) {
    throw new ContractError(`the schema ${name} has two forms: give each a name`);
  }
  components[name] = schema;
};

/** For JSON.parse: references within a schema become references to the document's components. */
const hoisted = (key: string, value: unknown): unknown => {
  if (key !== "$ref" || typeof value !== "string") return value;
  if (value === "#") throw new ContractError(NAMELESS);
  return value.replace("#/$defs/", "#/components/schemas/");
};

/** Adds a named schema to the components, and returns a reference to it. */
const jsonSchema = (schema: Schema, io: "input" | "output", components: Components): JsonSchema => {
  const text = JSON.stringify(z.toJSONSchema(schema, { io, unrepresentable: "any" }));
  const parsed: JsonSchema & { readonly $defs?: Record<string, JsonSchema> } = JSON.parse(text, hoisted);
  const { $schema: _, $defs = {}, ...written } = parsed;
  for (const [name, definition] of Object.entries($defs)) addComponent(components, name, definition);
  const name = z.globalRegistry.get(schema)?.id;
  if (name === undefined) return written;
  if (!("$ref" in written)) addComponent(components, name, written);
  return { $ref: `#/components/schemas/${name}` };
};

/**
 * The type of a parameter is the output's, such as a number; whether it is required depends on the input. A handler answers
 * 428 without If-Match, where a required field would give 400.
 */
const parametersIn = (
  place: "path" | "query" | "header",
  shape: ObjectSchema | undefined,
  components: Components,
  { problems = [] }: Route,
) => {
  if (shape === undefined) return [];
  const { required } = z.toJSONSchema(shape, { io: "input", unrepresentable: "any" });
  return Object.entries(shape.shape).map(([name, schema]) => ({
    name,
    in: place,
    required:
      required?.includes(name) === true ||
      (name === "if-match" && problems.includes("precondition_required")),
    schema: jsonSchema(schema, "output", components),
  }));
};

const responseObject = (
  { description, body, headers = {}, mediaType }: ResponseShape,
  components: Components,
) => {
  const schema = body ? jsonSchema(body, "output", components) : mediaType && { type: "string" };
  const fields = Object.entries(headers).map(
    ([name, about]) => [name, { description: about, schema: { type: "string" } }] as const,
  );
  return {
    description,
    ...(fields.length > 0 && { headers: Object.fromEntries(fields) }),
    ...(schema && { content: { [mediaType ?? "application/json"]: { schema } } }),
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

const operation = (operationId: string, route: Route, components: Components) => {
  const { request = {}, policy } = route;
  const parameters = [
    ...parametersIn("path", request.params, components, route),
    ...parametersIn("query", request.query, components, route),
    ...parametersIn("header", request.headers, components, route),
  ];
  const responses = Object.entries(route.responses).map(
    ([status, shape]) => [status, responseObject(shape, components)] as const,
  );
  return {
    operationId,
    summary: route.summary,
    ...(route.description && { description: route.description }),
    tags: [route.tag],
    ...(route.deprecated && { deprecated: true }),
    security: policy.auth === "public" ? [] : [{ apiKey: policy.auth.scopes }],
    ...(parameters.length > 0 && { parameters }),
    ...(request.body && {
      requestBody: {
        required: true,
        content: { "application/json": { schema: jsonSchema(request.body, "input", components) } },
      },
    }),
    responses: { ...problemResponses(route), ...Object.fromEntries(responses) },
  };
};

const problemCodes = Object.keys(problemTypes).filter(isProblemCode);

const problemSchema = named(
  "Problem",
  z.strictObject({
    type: z.enum(problemCodes.map(problemTypeUri)),
    title: z.string(),
    status: z.int(),
    code: z.enum(problemCodes),
    requestId: z.uuid(),
    detail: z.optional(z.string()),
    errors: z.optional(
      z.array(
        z.strictObject({
          in: z.enum(["body", "query", "path", "header"]),
          field: z.string(),
          detail: z.string(),
        }),
      ),
    ),
    "violated-policies": z
      .optional(z.array(z.string()))
      .check(z.describe("The limits that reject the request; RateLimit-Policy describes them.")),
  }),
  { description: "RFC 9457. `code` identifies the problem for programs; `type` links to its description." },
);

export const openApiDocument = (routes: Routes, info: { title: string; version: string }) => {
  const schemas: Components = {};
  jsonSchema(problemSchema, "output", schemas);
  const paths: Record<string, Record<string, Operation>> = {};
  for (const [name, route] of Object.entries(routes)) {
    const path = route.path.replaceAll(/\/:([^/]+)/g, "/{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(name, route, schemas) };
  }
  const scopes = scopesOf(routes).join(", ");
  const description = `An API key, or an access token if an issuer is configured. Scopes: ${scopes}.`;
  return {
    openapi: "3.1.1",
    info: { ...info, description: "Errors are RFC 9457 problems; every response carries X-Request-Id." },
    servers: [{ url: "/" }],
    paths,
    components: { schemas, securitySchemes: { apiKey: { type: "http", scheme: "bearer", description } } },
  };
};
