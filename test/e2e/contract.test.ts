import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import { Order } from "#api/contract/orders.ts";
import { apiTitle } from "#api/contract/routes.ts";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { Block } from "../../src/contract/admin.ts";
import { createClient } from "../../src/contract/client.ts";
import { contract } from "../../src/contract/contract.ts";
import { type Operation, openApiDocument } from "../../src/contract/openapi.ts";
import type { ProblemDetails } from "../../src/contract/problem.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { contentSecurityPolicy } from "../../src/origin/docs/handlers.ts";
import { problemOf } from "../support/problem-of.ts";
import { breaches, parameterBreaches, resolver, validValue } from "../support/schema-cases.ts";
import { type System, startSystem } from "../support/system.ts";

const document = openApiDocument(contract, { title: apiTitle, version: "1" });
const resolve = resolver(document);

interface Call {
  readonly params: Readonly<Record<string, string>>;
  readonly query: readonly (readonly [string, string])[];
  readonly headers: Readonly<Record<string, string>>;
  readonly json: unknown;
}

interface Case {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

const cases: Case[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: operation.operationId,
    method: method.toUpperCase(),
    path,
    operation,
  })),
);

const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
ajv.addSchema({ $id: "https://api.test/openapi", components: document.components });

/** The differences between a response and its schema; empty if there are none. */
const disagreement = (schema: object, body: unknown): string => {
  const pointed = JSON.parse(
    JSON.stringify(schema).replaceAll('"#/components/', '"https://api.test/openapi#/components/'),
  );
  const validate = ajv.compile(pointed);
  return validate(body) ? "" : ajv.errorsText(validate.errors);
};

let system: System;
let key: string;

beforeAll(async () => {
  system = await startSystem();
  key = (await system.createKey("alice")).key;
});
afterAll(() => system?.stop());

/** Sends a call, whose answer has to be one that the document lists. */
const send = async (
  { method, path, operation }: Case,
  { params, query, headers, json }: Call,
): Promise<Response> => {
  const filled = path.replaceAll(/\{([^}]+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
  const search =
    query.length === 0
      ? ""
      : `?${new URLSearchParams(query.map(([name, value]): [string, string] => [name, value]))}`;
  const response = await system.call(`${filled}${search}`, {
    method,
    headers,
    ...(operation.security.length === 0 ? {} : { key }),
    ...(json === undefined ? {} : { json }),
  });
  expect(Object.keys(operation.responses)).toContain(String(response.status));
  return response;
};

const created = async (path: string, json: object): Promise<unknown> =>
  await (await system.call(path, { method: "POST", key, json })).json();
const placedOrder = async (): Promise<string> =>
  Order.parse(await created("/v1/orders", { lines: [{ productId: sampleProductId(1), quantity: 1 }] })).id;
const addedBlock = async (): Promise<string> =>
  Block.parse(await created("/admin/blocklist", { network: "192.0.2.0/24", reason: "a test" })).id;

/** Existing resources, which a schema cannot describe. */
const existing: Record<string, () => Promise<Partial<Call>>> = {
  getProduct: async () => ({ params: { id: sampleProductId(1) } }),
  updateProduct: async () => {
    const etag = (await system.call(`/v1/products/${sampleProductId(4)}`)).headers.get("etag") ?? "";
    return { params: { id: sampleProductId(4) }, headers: { "if-match": etag } };
  },
  getOrder: async () => ({ params: { id: await placedOrder() } }),
  cancelOrder: async () => ({ params: { id: await placedOrder() } }),
  removeBlock: async () => ({ params: { id: await addedBlock() } }),
};

const bodySchemaOf = ({ requestBody }: Operation) => requestBody?.content["application/json"]?.schema;

const validCall = async ({ name, operation }: Case): Promise<Call> => {
  const body = bodySchemaOf(operation);
  return {
    params: {},
    query: [],
    headers: {},
    json: body === undefined ? undefined : validValue(body, resolve),
    ...(await existing[name]?.()),
  };
};

test("the served document is the contract's", async () => {
  const response = await system.call("/openapi.json");
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(await response.json()).toEqual(JSON.parse(JSON.stringify(document)));
});

describe.each(cases)("$name", (each) => {
  const { operation } = each;

  test("answers a valid call as documented", async () => {
    const response = await send(each, await validCall(each));
    expect(response.status).toBeLessThan(300);
    const declared = operation.responses[String(response.status)];
    for (const name of Object.keys(declared?.headers ?? {})) expect(response.headers.get(name)).toBeTruthy();
    const [mediaType, content] = Object.entries(declared?.content ?? {})[0] ?? [];
    expect(response.headers.get("content-type")?.split(";")[0]).toBe(mediaType);
    if (mediaType === "application/json" && content !== undefined) {
      expect(disagreement(content.schema, await response.json())).toBe("");
    }
  });

  const body = bodySchemaOf(operation);
  const bodyBreaches = body === undefined ? [] : breaches(body, resolve);
  const parameters = (operation.parameters ?? []).flatMap((parameter) =>
    parameterBreaches(parameter.schema, resolve, parameter.name)
      // HTTP cannot send empty header fields and control characters.
      .filter(({ value }) => parameter.in !== "header" || /^[\x20-\x7e]+$/.test(value))
      .map((breach) => ({ ...breach, in: parameter.in })),
  );

  const expectRejection = async (call: Call, place: string, field: string): Promise<void> => {
    const details = await problemOf(await send(each, call));
    expect(details.code).toBe("invalid_request");
    expect(details.errors?.map((error) => `${error.in} ${error.field}`)).toContain(`${place} ${field}`);
    expect(disagreement({ $ref: "#/components/schemas/Problem" }, details)).toBe("");
  };

  test.each(bodyBreaches)("rejects a body: $field $what", async ({ field, value }) => {
    await expectRejection({ ...(await validCall(each)), json: value }, "body", field);
  });

  test.each(
    body === undefined ? [] : ["", "{", '{"a":1}x'],
  )("rejects a body that is not JSON: %j", async (text) => {
    const { params, headers } = await validCall(each);
    const path = each.path.replaceAll(/\{([^}]+)\}/g, (_, name: string) => params[name] ?? "");
    const response = await system.call(path, {
      method: each.method,
      key,
      body: text,
      headers: { ...headers, "content-type": "application/json" },
    });
    const { errors } = await problemOf(response);
    expect(errors).toMatchObject([{ in: "body" }]);
  });

  test.each(parameters)("rejects $in $field: $what", async (breach) => {
    const call = await validCall(each);
    const broken: Record<typeof breach.in, Partial<Call>> = {
      path: { params: { ...call.params, [breach.field]: breach.value } },
      query: { query: [[breach.field, breach.value]] },
      header: { headers: { ...call.headers, [breach.field]: breach.value } },
    };
    const brokenCall = { ...call, ...broken[breach.in] };
    if (breach.in === "header" || !breach.value.includes("\0")) {
      await expectRejection(brokenCall, breach.in, breach.field);
      return;
    }
    // Rejected before parameters are parsed.
    const { code, detail } = await problemOf(await send(each, brokenCall));
    expect(code).toBe("invalid_request");
    expect(detail).toContain(`control_characters: ${breach.in}`);
  });

  const required = (operation.parameters ?? []).filter((each) => each.in !== "path" && each.required);
  test.each(required)("needs $in $name", async ({ in: place, name }) => {
    const { headers, query, ...call } = await validCall(each);
    const { [name]: _, ...others } = headers;
    const without = { ...call, headers: others, query: query.filter(([other]) => other !== name) };
    expect((await send(each, without)).status).toBe(place === "header" ? 428 : 400);
  });

  const optional = (operation.parameters ?? []).filter((each) => !each.required && each.in === "header");
  test.each(optional)("does not need $in $name", async ({ name }) => {
    const { headers, ...call } = await validCall(each);
    const { [name]: _, ...others } = headers;
    expect((await send(each, { ...call, headers: others })).status).toBeLessThan(300);
  });

  const bodyless = body === undefined && each.method !== "GET" ? [{ json: {} }, { json: [] }] : [];
  test.each(bodyless)("ignores a body that it has no use for: %j", async ({ json }) => {
    expect((await send(each, { ...(await validCall(each)), json })).status).toBeLessThan(300);
  });

  test("documents what guards answer: a method that the path does not have, and a body of a GET", async () => {
    const documented = Object.keys(operation.responses);
    expect(documented).toEqual(expect.arrayContaining(["403", "405", "413", "414"]));
  });

  test("rejects an unknown query parameter", async () => {
    await expectRejection({ ...(await validCall(each)), query: [["surplus", "1"]] }, "query", "surplus");
  });

  test("rejects a duplicate query parameter", async () => {
    const name = operation.parameters?.find((parameter) => parameter.in === "query")?.name ?? "surplus";
    const query = [1, 2].map((value) => [name, String(value)] as const);
    await expectRejection({ ...(await validCall(each)), query }, "query", name);
  });

  const guarded = operation.security.length > 0 ? ["without credentials"] : [];
  test.each(guarded)("is 401 %s", async () => {
    const { params, json } = await validCall(each);
    const path = each.path.replaceAll(/\{([^}]+)\}/g, (_, name: string) => params[name] ?? "");
    const response = await system.call(path, {
      method: each.method,
      ...(json === undefined ? {} : { json }),
    });
    expect((await problemOf(response)).code).toBe("unauthenticated");
  });
});

describe("the typed client", () => {
  let client: ReturnType<typeof createClient>;
  beforeAll(() => {
    client = createClient(system.edgeUrl, { headers: { authorization: `Bearer ${key}` } });
  });

  test("places and reads an order, with responses typed by status", async () => {
    const json = { lines: [{ productId: sampleProductId(1), quantity: 2 }] };
    const placed = await client.v1.orders.$post({ json });
    if (placed.status !== 201) throw new Error(`not placed: ${placed.status}`);
    const order = await placed.json();
    expectTypeOf(order.total.amount).toEqualTypeOf<number>();
    expectTypeOf(order.status).toEqualTypeOf<"placed" | "cancelled">();

    const read = await client.v1.orders[":id"].$get({ param: { id: order.id } });
    expect(await read.json()).toEqual(order);
  });

  test("returns a rejection as a problem", async () => {
    const answer = await client.v1.products[":id"].$get({ param: { id: crypto.randomUUID() }, header: {} });
    if (answer.status !== 404) throw new Error(`not refused: ${answer.status}`);
    const problem = await answer.json();
    expectTypeOf(problem.code).toEqualTypeOf<ProblemDetails["code"]>();
    expect(problem.code).toBe("not_found");
  });

  test("accepts only the contract's inputs and routes", () => {
    type Argument = Parameters<typeof client.v1.orders.$post>[0];
    expectTypeOf<{ json: { lines: { productId: string; quantity: number }[] } }>().toExtend<Argument>();
    expectTypeOf<{ json: { products: string[] } }>().not.toExtend<Argument>();
    expectTypeOf(client.v1).not.toHaveProperty("customers");
  });
});

describe("the API reference", () => {
  test("the page has its own content security policy, and is cached", async () => {
    const response = await system.call(contract.getDocs.path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("content-security-policy")).toBe(contentSecurityPolicy);
    expect(response.headers.get("cache-control")).toMatch(/^public, max-age=\d+/);
    expect(await response.text()).toContain('id="problem-not_found"');
  });

  test.each([
    [contract.getDocsScript.path, "text/javascript", "swagger-ui-bundle.js"],
    [contract.getDocsStyle.path, "text/css", "swagger-ui.css"],
  ])("%s is the package's whole file, followed by this API's part", async (path, mediaType, file) => {
    const response = await system.call(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe(`${mediaType}; charset=utf-8`);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    const text = await response.text();
    const original = readFileSync(join(projectFolder, "node_modules/swagger-ui-dist", file), "utf8");
    expect(text.startsWith(original)).toBe(true);
    expect(text.slice(original.length)).toMatch(/^\n.{20,1000}\n$/s);
  });
});

test("none of these requests has caused an internal error", () => {
  expect(system.logLines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
});
