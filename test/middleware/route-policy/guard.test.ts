import { describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../../src/contract/route.ts";
import { routeGuard } from "../../../src/middleware/route-policy/index.ts";
import { compileRoutes } from "../../../src/middleware/route-policy/route-table.ts";
import { type OpenOptions, openExchange } from "../open-exchange.ts";

const NOW_MS = 1_800_000_000_000;
const SHOP = "https://shop.example";

const responses = { 200: { description: "Done" } };
const params = z.object({ id: z.string() });

const get = defineRoute({
  method: "GET",
  path: "/things/:id",
  summary: "Gives a thing to any site's page",
  tag: "Test",
  request: { params, headers: z.object({ "if-none-match": z.string() }) },
  responses,
  policy: { auth: "public", cors: { origins: "*" }, timeout: 2_000 },
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

const guard = routeGuard(compileRoutes(edgeRoutes({ get, change, remove })), () => NOW_MS);

const asked = (options: OpenOptions) => {
  const exchange = openExchange({ target: "/things/7", ...options });
  return { exchange, result: guard(exchange) };
};

/** The status and the fields of an answer that has no body. */
const answered = async (headers: Readonly<Record<string, string>>, target = "/things/7") => {
  const { result } = asked({ method: "OPTIONS", target, headers });
  if (!(result instanceof Response)) throw new Error(`it is refused: ${JSON.stringify(result)}`);
  expect(await result.text()).toBe("");
  return { status: result.status, headers: Object.fromEntries(result.headers) };
};

describe("a request", () => {
  test.each([
    ["GET", "get", 2_000],
    ["HEAD", "get", 2_000],
    ["PATCH", "change", 10_000],
  ])("%s finds the route %s, and has its deadline", (method, name, timeoutMs) => {
    const { exchange, result } = asked({ method });
    expect(result).toBeUndefined();
    expect(exchange.entry?.name).toBe(name);
    expect(exchange.deadlineAtMs).toBe(NOW_MS + timeoutMs);
  });

  test.each([
    "/",
    "/things",
    "/things/",
    "/things/7/",
    "/things/7/parts",
  ])("for %s, which is nowhere in the contract, finds nothing", (target) => {
    const { exchange, result } = asked({ target });
    expect(result).toEqual({ code: "not_found" });
    expect(exchange).not.toHaveProperty("entry");
    expect(exchange).not.toHaveProperty("deadlineAtMs");
  });

  test("by a method that the path does not know is told which it knows", () => {
    expect(asked({ method: "PUT" }).result).toEqual({
      code: "method_not_allowed",
      headers: { allow: ALLOW },
    });
  });
});

describe("a page's request", () => {
  test.each([
    ["GET", SHOP, { "access-control-allow-origin": "*" }],
    ["PATCH", SHOP, { "access-control-allow-origin": SHOP, vary: "Origin" }],
    ["PATCH", "https://other.example", { vary: "Origin" }],
  ])("%s from %s has fields of its own", (method, origin, fields) => {
    const { exchange, result } = asked({ method, headers: { origin } });
    expect(result).toBeUndefined();
    expect(exchange.corsHeaders).toMatchObject(fields);
  });

  test.each<[string, string, Record<string, string>]>([
    ["no page asks", "GET", {}],
    ["no page may ask", "DELETE", { origin: SHOP }],
  ])("has none where %s", (_, method, headers) => {
    expect(asked({ method, headers }).exchange).not.toHaveProperty("corsHeaders");
  });
});

describe("OPTIONS", () => {
  test.each<[string, Record<string, string>]>([
    ["nobody's page", {}],
    ["a page that asks for no method", { origin: SHOP }],
    ["a method that no page asks for", { "access-control-request-method": "PATCH" }],
  ])("is told what the path knows, for %s", async (_, headers) => {
    const answer = await answered(headers);
    expect(answer).toMatchObject({
      status: 204,
      headers: { allow: ALLOW, "x-content-type-options": "nosniff", "x-request-id": expect.any(String) },
    });
    expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
  });

  test("finds nothing where there is no such path", () => {
    expect(asked({ method: "OPTIONS", target: "/thing" }).result).toEqual({ code: "not_found" });
  });
});

describe("a preflight", () => {
  const preflight = (method: string, origin = SHOP) => ({ origin, "access-control-request-method": method });

  test.each([
    ["GET", "https://other.example", "*", "if-none-match"],
    ["HEAD", "https://other.example", "*", "if-none-match"],
    ["PATCH", SHOP, SHOP, "if-match, content-type, authorization"],
  ])("for %s from %s may send what the route takes", async (method, origin, allowed, fields) => {
    expect(await answered(preflight(method, origin))).toMatchObject({
      status: 204,
      headers: {
        "access-control-allow-origin": allowed,
        "access-control-allow-methods": method,
        "access-control-allow-headers": fields,
        "x-content-type-options": "nosniff",
        "x-request-id": expect.any(String),
      },
    });
  });

  test.each([
    ["of a site that may not", "PATCH", "https://other.example"],
    ["of any site where none may", "DELETE", SHOP],
  ])("%s is refused", (_, method, origin) => {
    expect(asked({ method: "OPTIONS", headers: preflight(method, origin) }).result).toMatchObject({
      code: "forbidden",
    });
  });

  test("for a method that the path does not know is told which it knows", () => {
    expect(asked({ method: "OPTIONS", headers: preflight("PUT") }).result).toEqual({
      code: "method_not_allowed",
      headers: { allow: ALLOW },
    });
  });
});
