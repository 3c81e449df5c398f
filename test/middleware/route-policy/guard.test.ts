import { describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../../src/contract/route.ts";
import { appOf, type RequestOptions, routed } from "../support/app.ts";

const NOW_MS = 1_800_000_000_000;
const SHOP = "https://shop.example";

const responses = { 200: { description: "Done" } };
const params = z.object({ id: z.string() });

const get = defineRoute({
  method: "GET",
  path: "/things/:id",
  summary: "Returns a thing to any site's page",
  tag: "Test",
  request: { params, headers: z.object({ "if-none-match": z.string() }) },
  responses,
  policy: { auth: "public", cors: { origins: "*" }, timeout: "2s" },
});
const change = defineRoute({
  method: "PATCH",
  path: "/things/:id",
  summary: "Changes a thing, from one site's page",
  tag: "Test",
  request: { params, headers: z.object({ "if-match": z.string() }), body: z.string() },
  responses,
  policy: { auth: { scopes: ["write"] }, cors: { origins: [SHOP] } },
});
const remove = defineRoute({
  method: "DELETE",
  path: "/things/:id",
  summary: "Deletes a thing, from no page",
  tag: "Test",
  request: { params },
  responses,
  policy: { auth: { scopes: ["write"] } },
});
const ALLOW = "DELETE, GET, HEAD, OPTIONS, PATCH";

const app = appOf(routed(edgeRoutes({ get, change, remove }), () => NOW_MS).handlers);

/** Every request is decided synchronously. */
const send = async (options: RequestOptions) => {
  const outcome = await app({ target: "/things/7", ...options });
  expect(outcome.isSynchronous).toBe(true);
  return outcome;
};

/** Status and header fields of a response to OPTIONS. */
const options = async (headers: Readonly<Record<string, string>>) => {
  const { response, passed, variables } = await send({ method: "OPTIONS", headers });
  expect(passed).toBe(false);
  expect(variables.rejectedBy).toBe("route");
  expect(await response.text()).toBe("");
  return { status: response.status, headers: Object.fromEntries(response.headers) };
};

describe("a request", () => {
  test.each([
    ["GET", "get", 2_000],
    ["HEAD", "get", 2_000],
    ["PATCH", "change", 10_000],
  ])("%s matches the route %s, and has its deadline", async (method, name, timeoutMs) => {
    const { passed, variables } = await send({ method });
    expect(passed).toBe(true);
    expect(variables.route?.name).toBe(name);
    expect(variables.deadlineAtMs).toBe(NOW_MS + timeoutMs);
  });

  test.each([
    "/",
    "/things",
    "/things/",
    "/things/7/",
    "/things/7/parts",
  ])("for the unknown path %s gets 404", async (target) => {
    const { response, problem, variables } = await send({ target });
    expect(response.status).toBe(404);
    expect(problem).toEqual({ code: "not_found" });
    expect(variables.rejectedBy).toBe("route");
    expect(variables).not.toHaveProperty("route");
    expect(variables).not.toHaveProperty("deadlineAtMs");
  });

  test("with a method that the path does not have gets 405 with Allow", async () => {
    const { response, problem, variables } = await send({ method: "PUT" });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(ALLOW);
    expect(problem).toEqual({ code: "method_not_allowed" });
    expect(variables.rejectedBy).toBe("route");
  });
});

const FOREIGN = [
  "https://other.example",
  "http://shop.example",
  "https://shop.example:8443",
  "https://a.shop.example",
  "https://shop.example.evil.test",
  "https://SHOP.example",
  "null",
  "*",
];

describe("a page's request", () => {
  test.each<[string, string, Record<string, string>]>([
    ["GET", SHOP, { "access-control-allow-origin": "*" }],
    ["PATCH", SHOP, { "access-control-allow-origin": SHOP, vary: "Origin" }],
    ...FOREIGN.map((origin): [string, string, Record<string, string>] => [
      "PATCH",
      origin,
      { vary: "Origin" },
    ]),
  ])("%s from %s gets the route's CORS fields", async (method, origin, fields) => {
    const { passed, response } = await send({ method, headers: { origin } });
    expect(passed).toBe(true);
    const { "access-control-allow-origin": allowed, vary, ...others } = Object.fromEntries(response.headers);
    expect({ "access-control-allow-origin": allowed, vary }).toEqual(fields);
    expect(others).not.toHaveProperty("access-control-allow-credentials");
  });

  test.each<[string, string, Record<string, string>]>([
    ["it is not from a page", "GET", {}],
    ["the route allows no page", "DELETE", { origin: SHOP }],
  ])("gets no CORS fields if %s", async (_, method, headers) => {
    const fields = [...(await send({ method, headers })).response.headers.keys()];
    expect(fields.filter((name) => name === "vary" || name.startsWith("access-control-"))).toEqual([]);
  });
});

describe("a page can read a rejection if a route allows its site", () => {
  test.each([
    ["of an unknown path", { target: "/thing" }, 404],
    ["of an unknown method", { method: "PUT" }, 405],
    ["of an unknown query parameter", { target: "/things/7?x=1" }, 400],
  ])("%s", async (_, request, status) => {
    const { response } = await send({ ...request, headers: { origin: "https://other.example" } });
    expect(response.status).toBe(status);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
  });
});

test("a query parameter that the route does not have is 400, and named once", async () => {
  const { response } = await send({ target: "/things/7?x=1&x=2&y=3" });
  expect(await response.json()).toMatchObject({
    code: "invalid_request",
    errors: ["x", "y"].map((field) => ({ in: "query", field, detail: "Unknown field" })),
  });
});

describe("OPTIONS", () => {
  test.each<[string, Record<string, string>]>([
    ["without an origin", {}],
    ["without a requested method", { origin: SHOP }],
    ["with only a requested method", { "access-control-request-method": "PATCH" }],
  ])("%s gets the path's methods", async (_, headers) => {
    const response = await options(headers);
    expect(response).toMatchObject({
      status: 204,
      headers: { allow: ALLOW, "x-content-type-options": "nosniff", "x-request-id": expect.any(String) },
    });
    expect(response.headers).not.toHaveProperty("access-control-allow-methods");
  });

  test("for an unknown path gets 404", async () => {
    const { response, problem } = await send({ method: "OPTIONS", target: "/thing" });
    expect(response.status).toBe(404);
    expect(problem).toEqual({ code: "not_found" });
  });
});

describe("a preflight", () => {
  const preflight = (method: string, origin = SHOP) => ({ origin, "access-control-request-method": method });

  test.each([
    ["GET", "https://other.example", "*", "if-none-match"],
    ["HEAD", "https://other.example", "*", "authorization,traceparent,x-requested-with"],
    ["PATCH", SHOP, SHOP, "if-match, content-type, authorization"],
  ])("for %s from %s allows the requested fields", async (method, origin, allowed, fields) => {
    const requested = { "access-control-request-headers": fields };
    expect(await options({ ...preflight(method, origin), ...requested })).toMatchObject({
      status: 204,
      headers: {
        "access-control-allow-origin": allowed,
        "access-control-allow-methods": method,
        "access-control-allow-headers": fields,
        "access-control-max-age": "600",
        vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        "x-content-type-options": "nosniff",
        "x-request-id": expect.any(String),
      },
    });
  });

  test.each(["a b", "x\u00e4", "x".repeat(501)])("allows no fields for the list %j", async (fields) => {
    const { status, headers } = await options({
      ...preflight("PATCH"),
      "access-control-request-headers": fields,
    });
    expect(status).toBe(204);
    expect(headers).not.toHaveProperty("access-control-allow-headers");
  });

  test.each<[string, string, string]>([
    ...FOREIGN.map((origin): [string, string, string] => [`from ${origin}`, "PATCH", origin]),
    ["from any site if the route allows none", "DELETE", SHOP],
  ])("%s gets 403", async (_, method, origin) => {
    const { response, problem } = await send({ method: "OPTIONS", headers: preflight(method, origin) });
    expect(response.status).toBe(403);
    expect(problem).toMatchObject({ code: "forbidden" });
  });

  test("for a method that the path does not have gets 405 with Allow", async () => {
    const { response, problem } = await send({ method: "OPTIONS", headers: preflight("PUT") });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(ALLOW);
    expect(problem).toEqual({ code: "method_not_allowed" });
  });
});
