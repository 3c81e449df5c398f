import { describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { contract } from "../../src/contract/contract.ts";
import { openApiDocument } from "../../src/contract/openapi.ts";
import { problemTypes } from "../../src/contract/problem.ts";
import type { Route, Routes, Schema } from "../../src/contract/route.ts";
import { named, wholeNumber } from "../../src/contract/schemas.ts";

const INFO = { title: "Things", version: "1.2.3" };

const route = (change: Partial<Route>): Route => ({
  method: "GET",
  path: "/things",
  summary: "Does it",
  tag: "Things",
  responses: { 200: { description: "Done" } },
  policy: { auth: "public" },
  ...change,
});

const documentOf = (routes: Routes) => openApiDocument(routes, INFO);
const operationOf = (change: Partial<Route>) => {
  const declared = route(change);
  const operation = documentOf({ it: declared }).paths["/things"]?.[declared.method.toLowerCase()];
  if (operation === undefined) throw new Error("no operation");
  return operation;
};

/** Every `$ref` in a document. */
const references = (value: unknown): unknown[] => {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => (key === "$ref" ? [each] : references(each)));
};

/** References to missing components. */
const danglingIn = (document: ReturnType<typeof documentOf>): unknown[] => {
  const names = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
  return references(document).filter((reference) => !names.some((name) => name === reference));
};

describe("the document says what the validator demands:", () => {
  const { components, paths } = documentOf(contract);

  test("a change has at least one field, and an order has each product once", () => {
    expect(components.schemas["ProductChange"]).toMatchObject({ minProperties: 1 });
    expect(components.schemas["NewOrder"]).toMatchObject({
      properties: {
        lines: {
          uniqueItems: true,
          "x-unique-by": "productId",
          description: "Each product may appear only once",
        },
      },
    });
  });

  test("a route that answers 428 requires the field that is missing", () => {
    const parameters = paths["/v1/products/{id}"]?.["patch"]?.parameters;
    expect(parameters?.find(({ name }) => name === "if-match")).toMatchObject({ required: true });
  });
});

describe("the document of the contract", () => {
  const document = documentOf(contract);
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [method, path, operation] as const),
  );

  test("is plain JSON", () => {
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
  });

  test("has one operation for each route, under the route's name", () => {
    const ids = operations.map(([, , { operationId }]) => operationId);
    expect(ids.sort()).toEqual(Object.keys(contract).sort());
  });

  test("has only references to existing schemas", () => {
    expect(references(document).length).toBeGreaterThan(0);
    expect(danglingIn(document)).toEqual([]);
  });

  test("has no keyword of stand-alone JSON Schemas", () => {
    const text = JSON.stringify(document);
    expect(text).not.toContain('"$defs"');
    expect(text).not.toContain('"$schema"');
  });

  test("gives its schemas valid component names", () => {
    for (const name of Object.keys(document.components.schemas)) expect(name).toMatch(/^[A-Za-z0-9._-]+$/);
  });

  test.each(operations)("declares the parameters of %s %s", (_, path, { parameters = [] }) => {
    const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
    const declared = parameters.filter((each) => each.in === "path");
    expect(declared.map(({ name }) => name)).toEqual(inPath);
    expect(declared.every(({ required }) => required)).toBe(true);
    expect(new Set(parameters.map((each) => `${each.in} ${each.name}`)).size).toBe(parameters.length);
  });

  test.each(operations)("describes the responses of %s %s", (_, __, { responses }) => {
    for (const [status, { description }] of Object.entries(responses)) {
      expect(status).toMatch(/^[1-5]\d\d$/);
      expect(description).not.toBe("");
    }
    expect(Object.keys(responses).some((status) => status < "400")).toBe(true);
  });

  test("has no two paths that differ only in a parameter's name", () => {
    const forms = Object.keys(document.paths).map((path) => path.replaceAll(/\{[^}]+\}/g, "{}"));
    expect(new Set(forms).size).toBe(forms.length);
  });

  // ECMA-262 alone reads \\0 as NUL.
  test("has only patterns that other languages' regular expressions read alike", () => {
    const patterns = [...JSON.stringify(document).matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g)];
    expect(patterns.length).toBeGreaterThan(0);
    for (const [, pattern = ""] of patterns) expect(JSON.parse(pattern)).not.toMatch(/\\0|\(\?<[=!]|\\c/);
  });

  test("lists every problem code", () => {
    expect(document.components.schemas["Problem"]).toMatchObject({
      properties: { code: { enum: Object.keys(problemTypes) } },
    });
  });
});

test.each([
  ["/", "/"],
  ["/things/:id", "/things/{id}"],
  ["/things/:id/parts/:part", "/things/{id}/parts/{part}"],
  ["/things:batch", "/things:batch"],
] as const)("the path %s is written as %s", (path, templated) => {
  expect(Object.keys(documentOf({ it: route({ path }) }).paths)).toEqual([templated]);
});

describe("an operation", () => {
  test("shares its path with those of other methods", () => {
    const { paths } = documentOf({ read: route({}), write: route({ method: "PUT" }) });
    expect(Object.keys(paths["/things"] ?? {})).toEqual(["get", "put"]);
  });

  test("requires no credentials if the route is public", () => {
    expect(operationOf({}).security).toEqual([]);
  });

  test("requires the scopes of its route, and documents 401 and 403", () => {
    const { security, responses } = operationOf({ policy: { auth: { scopes: ["a", "b"] } } });
    expect(security).toEqual([{ apiKey: ["a", "b"] }]);
    expect(Object.keys(responses)).toEqual(expect.arrayContaining(["401", "403"]));
  });

  test("has a body only if the route does, and documents 408, 413 and 415", () => {
    const { requestBody, responses } = operationOf({
      method: "POST",
      request: { body: z.object({ a: z.string() }) },
    });
    expect(requestBody).toMatchObject({
      required: true,
      content: { "application/json": { schema: { type: "object", required: ["a"] } } },
    });
    expect(Object.keys(responses)).toEqual(expect.arrayContaining(["408", "413", "415"]));
    expect(operationOf({})).not.toHaveProperty("requestBody");
    // A body of a GET is too large, whatever its type.
    expect(Object.keys(operationOf({}).responses)).toContain("413");
    expect(Object.keys(operationOf({}).responses)).not.toContain("415");
  });

  test("does not require a parameter that has a default", () => {
    const query = z.object({ limit: z._default(wholeNumber({ min: 1, max: 9 }), 5), q: z.string() });
    expect(operationOf({ request: { query } }).parameters).toEqual([
      {
        name: "limit",
        in: "query",
        required: false,
        schema: { default: 5, type: "integer", minimum: 1, maximum: 9 },
      },
      { name: "q", in: "query", required: true, schema: { type: "string" } },
    ]);
  });

  test("requires a field with a default only in responses", () => {
    const body = z.object({ note: z._default(z.string(), "") });
    const { requestBody, responses } = operationOf({
      method: "POST",
      request: { body },
      responses: { 200: { description: "Done", body } },
    });
    expect(requestBody?.content["application/json"]?.schema).not.toHaveProperty("required");
    expect(responses["200"]?.content?.["application/json"]?.schema).toMatchObject({ required: ["note"] });
  });

  test("lists the problems of one status together", () => {
    const { responses } = operationOf({ problems: ["out_of_stock", "order_not_cancellable"] });
    expect(responses["409"]?.description).toBe(
      `\`out_of_stock\`: ${problemTypes.out_of_stock.title}; ` +
        `\`order_not_cancellable\`: ${problemTypes.order_not_cancellable.title}`,
    );
  });

  test("responds with JSON, with text of its media type, or without a body", () => {
    const { responses } = operationOf({
      responses: {
        200: { description: "JSON", body: z.string() },
        201: { description: "Text", mediaType: "text/html", headers: { etag: "Its version" } },
        204: { description: "Nothing" },
      },
    });
    expect(responses["200"]?.content).toEqual({ "application/json": { schema: { type: "string" } } });
    expect(responses["201"]).toEqual({
      description: "Text",
      headers: { etag: { description: "Its version", schema: { type: "string" } } },
      content: { "text/html": { schema: { type: "string" } } },
    });
    expect(responses["204"]).toEqual({ description: "Nothing" });
  });
});

describe("a named schema", () => {
  test("is referenced wherever it occurs", () => {
    const Part = named("TestPart", z.object({ id: z.string() }));
    const Whole = named("TestWhole", z.object({ parts: z.array(Part) }));
    const document = documentOf({ it: route({ responses: { 200: { description: "Done", body: Whole } } }) });
    expect(document.components.schemas).toMatchObject({
      TestPart: { type: "object", properties: { id: { type: "string" } } },
      TestWhole: { properties: { parts: { items: { $ref: "#/components/schemas/TestPart" } } } },
    });
    expect(document.components.schemas["TestPart"]).not.toHaveProperty("id");
    expect(danglingIn(document)).toEqual([]);
  });

  test("can be recursive", () => {
    const Tree = named(
      "TestTree",
      z.object({
        get children() {
          return z.array(Tree);
        },
      }),
    );
    const document = documentOf({ it: route({ responses: { 200: { description: "Done", body: Tree } } }) });
    expect(danglingIn(document)).toEqual([]);
  });
});

describe("a recursive schema without a name", () => {
  const One = z.object({
    one: z.string(),
    get next() {
      return z.optional(One);
    },
  });
  const Two = z.object({
    two: z.string(),
    get next() {
      return z.optional(Two);
    },
  });
  const answering = (path: Route["path"], body: Schema) =>
    route({ path, responses: { 200: { description: "Done", body } } });

  test("is rejected as a whole body", () => {
    expect(() => documentOf({ one: answering("/one", One) })).toThrow("needs a name");
  });

  test("is rejected within another schema", () => {
    expect(() => documentOf({ one: answering("/one", z.object({ first: One })) })).toThrow("needs a name");
  });
});
