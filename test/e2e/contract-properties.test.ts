/**
 * The OpenAPI document says what the validators do: what it accepts is never rejected as invalid, what violates one of its
 * constraints is 400 and names the field, and every status is one that the operation lists. To repeat a failure or to look
 * further, set PROPERTY_SEED and PROPERTY_RUNS.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Order } from "#api/contract/orders.ts";
import { Product } from "#api/contract/products.ts";
import { apiTitle } from "#api/contract/routes.ts";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { Block } from "../../src/contract/admin.ts";
import { contract } from "../../src/contract/contract.ts";
import { type JsonSchema, type Operation, openApiDocument } from "../../src/contract/openapi.ts";
import { isClosed } from "../support/fetch.ts";
import { problemOf } from "../support/problem-of.ts";
import { type Mutation, schemaTools } from "../support/schema-arbitrary.ts";
import { type System, startSystem } from "../support/system.ts";

const RUN = {
  seed: Number(process.env["PROPERTY_SEED"] ?? 20_260_701),
  numRuns: Number(process.env["PROPERTY_RUNS"] ?? 8),
  // To shrink takes many requests: repeat a failure with its seed.
  endOnFailure: true,
} as const;

const document = openApiDocument(contract, { title: apiTitle, version: "1" });
const { arbitraryOf, mutationsOf } = schemaTools(document);

type Place = "path" | "query" | "header";
type Values = Readonly<Record<string, unknown>>;
interface Call extends Readonly<Record<Place, Values>> {
  readonly body: unknown;
}

const cases = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: operation.operationId,
    method: method.toUpperCase(),
    path,
    operation,
  })),
);
type Case = (typeof cases)[number];

let system: System;
let key: string;
/** As many as an order has lines. */
let products: readonly string[];
/** Ids of resources, and the next page's cursor, by operation. No schema can describe what exists. */
let existing: Readonly<Record<string, { readonly id?: string; readonly cursor?: string }>>;

const created = async (path: string, json: object): Promise<unknown> =>
  await (await system.call(path, { method: "POST", key, json })).json();
const cursorOf = async (path: string): Promise<{ readonly cursor?: string }> => {
  const page: unknown = await (await system.call(`${path}?limit=1`, { key })).json();
  const cursor = typeof page === "object" && page !== null && "nextCursor" in page ? page.nextCursor : null;
  return typeof cursor === "string" ? { cursor } : {};
};

beforeAll(async () => {
  system = await startSystem();
  key = (await system.createKey("alice")).key;
  const line = { productId: sampleProductId(1), quantity: 1 };
  const [order] = [
    await created("/v1/orders", { lines: [line] }),
    await created("/v1/orders", { lines: [line] }),
  ];
  const [block] = [
    await created("/admin/blocklist", { network: "192.0.2.0/24", reason: "a test" }),
    await created("/admin/blocklist", { network: "198.51.100.0/24", reason: "a test" }),
  ];
  const { id } = Order.parse(order);
  const addProduct = async (_: unknown, index: number): Promise<string> =>
    Product.parse(
      await created("/v1/products", {
        name: `lamp ${index}`,
        price: { amount: 1, currency: "EUR" },
        stock: 10_000,
      }),
    ).id;
  products = await Promise.all(Array.from({ length: 20 }, addProduct));
  const product = { id: sampleProductId(1) };
  existing = {
    getProduct: product,
    updateProduct: product,
    getOrder: { id },
    cancelOrder: { id },
    removeBlock: { id: Block.parse(block).id },
    listProducts: await cursorOf("/v1/products"),
    listOrders: await cursorOf("/v1/orders"),
    listBlocks: await cursorOf("/admin/blocklist"),
  };
});
afterAll(() => system?.stop());

const bodyOf = ({ requestBody }: Operation): JsonSchema | undefined =>
  requestBody?.content["application/json"]?.schema;

/** HTTP carries visible ASCII in header fields, and spaces inside of it. */
const isSendable = (value: unknown): boolean =>
  typeof value === "string" && /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value);

const valuesOf = (operation: Operation, place: Place): fc.Arbitrary<Values> => {
  const parameters = (operation.parameters ?? []).filter((each) => each.in === place);
  const model = parameters.map(({ name, schema }) => {
    const values = arbitraryOf(schema);
    return [name, place === "header" ? values.filter(isSendable) : values] as const;
  });
  const requiredKeys = parameters.filter(({ required }) => required).map(({ name }) => name);
  return fc.record(Object.fromEntries(model), { requiredKeys, noNullPrototype: true });
};

const callOf = ({ operation }: Case): fc.Arbitrary<Call> => {
  const body = bodyOf(operation);
  return fc.record({
    path: valuesOf(operation, "path"),
    query: valuesOf(operation, "query"),
    header: valuesOf(operation, "header"),
    body: body === undefined ? fc.constant(undefined) : arbitraryOf(body),
  });
};

/** With ids and cursors of what exists: which of them are valid is a matter of the data. */
const withExisting = ({ name }: Case, call: Call): Call => {
  const { id, cursor } = existing[name] ?? {};
  const { cursor: made, ...others } = call.query;
  // A cursor belongs to the list without a filter.
  const { q: _, ...unfiltered } = others;
  const query = made === undefined || cursor === undefined ? others : { ...unfiltered, cursor };
  return { ...call, query, ...(id !== undefined && { path: { id } }), body: withProducts(call.body) };
};
const withProducts = (body: unknown): unknown => {
  if (typeof body !== "object" || body === null || !("lines" in body) || !Array.isArray(body.lines))
    return body;
  const lines = body.lines.map((line: object, index) => ({ ...line, productId: products[index] }));
  return { ...body, lines };
};

const textOf = (values: Values): [string, string][] =>
  Object.entries(values).map(([name, value]) => [name, String(value)]);

const send = async (
  { method, path, operation }: Case,
  { header, body, ...call }: Call,
): Promise<Response> => {
  const filled = path.replaceAll(/\{([^}]+)\}/g, (_, name: string) =>
    encodeURIComponent(String(call.path[name])),
  );
  const ask = (): Promise<Response> =>
    system.call(`${filled}?${new URLSearchParams(textOf(call.query))}`, {
      method,
      headers: Object.fromEntries(textOf(header)),
      ...(operation.security.length === 0 ? {} : { key }),
      ...(body === undefined ? {} : { json: body }),
    });
  // An idle connection may close under a request. That a write is then made twice changes nothing here.
  const response = await ask().catch((error: unknown) => {
    if (isClosed(error)) return ask();
    throw error;
  });
  expect(Object.keys(operation.responses)).toContain(String(response.status));
  return response;
};

const placeNames = ["path", "query", "header"] as const;

/** Every violation of one constraint, in every place of a call. */
const violationsOf = ({ operation }: Case, call: Call) => {
  const body = bodyOf(operation);
  const inBody = body === undefined ? [] : mutationsOf(body, call.body);
  const isText = ({ value }: Mutation): boolean => typeof value === "string" || typeof value === "number";
  const inParameters = placeNames.flatMap((place) =>
    (operation.parameters ?? [])
      .filter((parameter) => parameter.in === place && parameter.name in call[place])
      .flatMap(({ name, schema }) =>
        mutationsOf(schema, call[place][name], name)
          .filter((mutation) => isText(mutation) && (place !== "header" || isSendable(mutation.value)))
          // Text, as parameters are, has no types: 7 and "7" are the same. Screening rejects NUL, and an empty path is another.
          .filter(({ value }) => !(schema["type"] === "string" ? typeof value === "number" : value === "1"))
          .filter(({ value }) => value !== "\0" && (place !== "path" || value !== ""))
          .map((mutation) => ({
            ...mutation,
            place,
            call: { ...call, [place]: { ...call[place], [name]: mutation.value } },
          })),
      ),
  );
  const unknown = {
    what: "an unknown parameter",
    field: "surplus",
    place: "query",
    call: { ...call, query: { ...call.query, surplus: "1" } },
  };
  return [
    ...inBody.map((mutation) => ({ ...mutation, place: "body", call: { ...call, body: mutation.value } })),
    ...inParameters,
    unknown,
  ];
};

describe.concurrent.each(cases)("$name", (each) => {
  const { parameters, requestBody } = each.operation;
  // Without parameters all calls are the same.
  const numRuns = parameters === undefined && requestBody === undefined ? 1 : RUN.numRuns;

  test("rejects nothing that the document accepts", async () => {
    const property = fc.asyncProperty(callOf(each), async (call) => {
      const response = await send(each, withExisting(each, call));
      const body = await response.text();
      const isReused = response.status === 422 && body.includes('"idempotency_key_reused"');
      expect(isReused ? [422] : [200, 201, 204, 304, 404, 409, 412], body).toContain(response.status);
    });
    await fc.assert(property, { ...RUN, numRuns });
  });

  test("rejects what violates one constraint, and names the field", async () => {
    const property = fc.asyncProperty(callOf(each), fc.nat(), async (made, which) => {
      const violations = violationsOf(each, withExisting(each, made));
      const chosen = violations[which % violations.length];
      if (chosen === undefined) throw new Error("nothing can be violated");
      const { call, what, field, place } = chosen;
      const response = await send(each, call);
      expect(response.status, `${place} ${field}: ${what}`).toBe(400);
      const { errors = [] } = await problemOf(response);
      // An object of another shape is named by what it lacks.
      const named = errors.filter((error) => error.in === place && error.field.startsWith(field));
      expect(named, `${place} ${field}: ${what}: ${JSON.stringify(errors)}`).not.toEqual([]);
    });
    await fc.assert(property, { ...RUN, numRuns: 2 * numRuns });
  });
});
