import { describe, expect, test } from "vitest";
import * as z from "zod/mini";
import {
  ContractError,
  defineRoute,
  type Method,
  maxBodyBytes,
  pathParameters,
  type RequestShape,
  type Route,
  timeoutMs,
} from "../../src/contract/route.ts";

const route = (
  change: Partial<Omit<Route, "policy">> = {},
  policy: Partial<Route["policy"]> = {},
): Route => ({
  method: "POST",
  path: "/things",
  summary: "",
  tag: "",
  responses: {},
  ...change,
  policy: { auth: "public", ...policy },
});

const params = (...names: string[]): RequestShape => ({
  params: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))),
});
const SIGNED_IN = { scopes: ["things:write"] } as const;
const withKey: RequestShape = { headers: z.object({ "idempotency-key": z.optional(z.string()) }) };

describe("pathParameters", () => {
  test.each([
    ["/", []],
    ["/things", []],
    ["/things/:id", ["id"]],
    ["/things/:id/parts/:part", ["id", "part"]],
    ["/:b/:a", ["b", "a"]],
    ["/things:batch", []],
  ])("of %s are %j", (path, names) => {
    expect(pathParameters(path)).toEqual(names);
  });
});

describe("defineRoute", () => {
  test("gives the declaration back as it is", () => {
    const declared = route();
    expect(defineRoute(declared)).toBe(declared);
  });

  test.each<[string, Route]>([
    ["parameters in any order", route({ path: "/:b/:a", request: params("a", "b") })],
    ["a GET without a body", route({ method: "GET" })],
    ["a body of no bytes", route({}, { maxBody: 0 })],
    ["a body of 10 MiB", route({}, { maxBody: 10 * 1024 * 1024 })],
    ["a timeout of a millisecond", route({}, { timeout: 1 })],
    ["a safe GET", route({ method: "GET" }, { retry: "safe" })],
    ["an idempotent PUT", route({ method: "PUT" }, { retry: "idempotent" })],
    ["an idempotent DELETE", route({ method: "DELETE" }, { retry: "idempotent" })],
    ["a POST with a key", route({ request: withKey }, { auth: SIGNED_IN, retry: "with-key" })],
    ["any method that is never retried", route({}, { retry: "never" })],
  ])("takes %s", (_, declared) => {
    expect(defineRoute(declared)).toBe(declared);
  });

  test.each<[string, Route, string]>([
    ["a parameter without a schema", route({ path: "/:id" }), "the path names (id), the params schema ()"],
    [
      "a schema without a parameter",
      route({ request: params("id") }),
      "the path names (), the params schema (id)",
    ],
    [
      "parameters of other names",
      route({ path: "/:id", request: params("key") }),
      "the path names (id), the params schema (key)",
    ],
    [
      "a parameter that stands twice",
      route({ path: "/:id/:id", request: params("id") }),
      "the path names (id,id), the params schema (id)",
    ],
    ["a GET with a body", route({ method: "GET", request: { body: z.string() } }), "a GET takes no body"],
    ["a negative size", route({}, { maxBody: -1 }), "maxBody must be within 0 and 10485760 bytes"],
    [
      "a size beyond 10 MiB",
      route({}, { maxBody: 10_485_761 }),
      "maxBody must be within 0 and 10485760 bytes",
    ],
    [
      "a size that is no number",
      route({}, { maxBody: Number.NaN }),
      "maxBody must be within 0 and 10485760 bytes",
    ],
    ["no time", route({}, { timeout: 0 }), "timeout must be within 1 and 300000 ms"],
    ["a negative time", route({}, { timeout: -1 }), "timeout must be within 1 and 300000 ms"],
    [
      "a time that is no number",
      route({}, { timeout: Number.NaN }),
      "timeout must be within 1 and 300000 ms",
    ],
    [
      "a key that no header holds",
      route({}, { auth: SIGNED_IN, retry: "with-key" }),
      'retry "with-key" needs the header',
    ],
    [
      "a key that is nobody's",
      route({ request: withKey }, { retry: "with-key" }),
      'retry "with-key" needs a principal',
    ],
  ])("refuses %s", (_, declared, why) => {
    expect(() => defineRoute(declared)).toThrow(ContractError);
    expect(() => defineRoute(declared)).toThrow(`${declared.method} ${declared.path}: ${why}`);
  });

  test("refuses a time without an end, which no timer keeps", () => {
    expect(() => defineRoute(route({}, { timeout: Number.POSITIVE_INFINITY }))).toThrow(ContractError);
  });

  const promised: [NonNullable<Route["policy"]["retry"]>, Method[]][] = [
    ["safe", ["POST", "PUT", "PATCH", "DELETE"]],
    ["idempotent", ["GET", "POST", "PATCH"]],
  ];
  test.each(
    promised.flatMap(([retry, methods]) => methods.map((method) => [retry, method] as const)),
  )("refuses the retry %s for a %s", (retry, method) => {
    expect(() => defineRoute(route({ method }, { retry }))).toThrow(`retry "${retry}" is for`);
  });
});

describe("the default of a route", () => {
  const body: RequestShape = { body: z.string() };
  test.each([
    ["64 KiB with a body", route({ request: body }), 65_536],
    ["nothing without one", route(), 0],
    ["what its policy says", route({ request: body }, { maxBody: 9 }), 9],
    ["what its policy says, even nothing", route({ request: body }, { maxBody: 0 }), 0],
    ["what its policy says, without a body's schema too", route({}, { maxBody: 9 }), 9],
  ])("for the largest body is %s", (_, declared, bytes) => {
    expect(maxBodyBytes(declared)).toBe(bytes);
  });

  test.each([
    ["ten seconds", route(), 10_000],
    ["what its policy says", route({}, { timeout: 5 }), 5],
  ])("for the deadline is %s", (_, declared, ms) => {
    expect(timeoutMs(declared)).toBe(ms);
  });
});
