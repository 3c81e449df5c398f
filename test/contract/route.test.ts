import { describe, expect, test } from "vitest";
import * as z from "zod/mini";
import type { CommonPolicy, PublicPolicy, ScopedPolicy } from "../../src/contract/policy.ts";
import {
  ContractError,
  defineRoute,
  deprecationFields,
  type Method,
  maxBodyBytes,
  type RequestShape,
  type Route,
  scopesOf,
  timeoutMs,
} from "../../src/contract/route.ts";

const route = (
  change: Partial<Omit<Route, "policy">> = {},
  policy: CommonPolicy & (Partial<PublicPolicy> | ScopedPolicy) = {},
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
const WRITERS = { scopes: ["things:write"] } as const;
const withKey: RequestShape = { headers: z.object({ "idempotency-key": z.optional(z.string()) }) };

const withField: RequestShape = { headers: z.object({ "if-none-match": z.optional(z.string()) }) };
const neededField: RequestShape = { headers: z.object({ "x-region": z.string() }) };

const PER_PRINCIPAL = {
  name: "account",
  capacity: 1,
  refillPerSecond: 1,
  per: "principal",
  onStoreFailure: "open",
} as const;

const NO_RETRY = 'the request header idempotency-key has no effect without retry "with-key"';
const WINDOWS = "cache windows must be durations of whole seconds, at most 365d";
const SIZE = "maxBody must be within 0 and 10485760 bytes";
const TIME = "timeout must be a duration within 1ms and 5m, such as 15s";

describe("defineRoute", () => {
  test.each<[string, Route]>([
    ["a route", route()],
    ["parameters in any order", route({ path: "/:b/:a", request: params("a", "b") })],
    ["a colon within a segment", route({ path: "/things:batch" })],
    ["a GET without a body", route({ method: "GET" })],
    ["an empty body", route({}, { maxBody: 0 })],
    ["a body of 10 MiB", route({}, { maxBody: 10 * 1024 * 1024 })],
    ["a timeout of a millisecond", route({}, { timeout: "1ms" })],
    ["a safe GET", route({ method: "GET" }, { retry: "safe" })],
    ["an idempotent PUT", route({ method: "PUT" }, { retry: "idempotent" })],
    ["an idempotent DELETE", route({ method: "DELETE" }, { retry: "idempotent" })],
    ["a POST with a key", route({ request: withKey }, { auth: WRITERS, retry: "with-key" })],
    ["a POST that is never retried", route({}, { retry: "never" })],
    ["CORS of sites", route({}, { cors: { origins: ["https://shop.example", "http://localhost:3000"] } })],
    ["a cached GET", route({ method: "GET" }, { cache: {} })],
    [
      "a cached GET that is only used stale",
      route({ method: "GET" }, { cache: { fresh: "0s", staleIfError: "1s" } }),
    ],
    ["a cached GET with an optional field", route({ method: "GET", request: withField }, { cache: {} })],
  ])("accepts %s", (_, declared) => {
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
      "other parameters than the schema's",
      route({ path: "/:id", request: params("key") }),
      "the path names (id), the params schema (key)",
    ],
    [
      "a duplicate parameter",
      route({ path: "/:id/:id", request: params("id") }),
      "the path names (id,id), the params schema (id)",
    ],
    ["a GET with a body", route({ method: "GET", request: { body: z.string() } }), "a GET takes no body"],
    ["a negative size", route({}, { maxBody: -1 }), SIZE],
    ["a size above 10 MiB", route({}, { maxBody: 10_485_761 }), SIZE],
    ["a size that is not a number", route({}, { maxBody: Number.NaN }), SIZE],
    ["a timeout of 0", route({}, { timeout: "0ms" }), TIME],
    ["a negative timeout", route({}, { timeout: "-1ms" }), TIME],
    ["a maximum of 0 requests", route({}, { maxConcurrent: 0 }), "maxConcurrent must be within 1 and 10000"],
    ["a timeout above five minutes", route({}, { timeout: "301s" }), TIME],
    ["a timeout in exponential notation", route({}, { timeout: "1e3ms" }), TIME],
    ["a GET with a maximum body", route({ method: "GET" }, { maxBody: 1 }), "a GET takes no body"],
    [
      "a body of which nothing is accepted",
      route({ request: { body: z.string() } }, { maxBody: 0 }),
      "takes a body, which a maxBody of 0 rejects",
    ],
    [
      "a cache for principals",
      // @ts-expect-error The type excludes it, too.
      { ...route({ method: "GET" }), policy: { auth: WRITERS, cache: { fresh: "1s" } } },
      'cache needs auth "public"',
    ],
    ["a cache of writes", route({}, { cache: { fresh: "1s" } }), "cache is for GET"],
    ["a cache of nothing", route({ method: "GET" }, { cache: { fresh: "0s" } }), "cache stores nothing"],
    ["a negative freshness", route({ method: "GET" }, { cache: { fresh: "-1s" } }), WINDOWS],
    ["a part of a second", route({ method: "GET" }, { cache: { staleIfError: "0.5s" } }), WINDOWS],
    [
      "a cache of responses that depend on a field",
      route({ method: "GET", request: neededField }, { cache: {} }),
      "cache stores nothing: it has no response that depends on a field, and x-region is required",
    ],
    [
      "a CORS origin with a path",
      route({}, { cors: { origins: ["https://shop.example/"] } }),
      'the CORS origin "https://shop.example/" must be like',
    ],
    [
      "any CORS origin in a list",
      route({}, { cors: { origins: ["*"] } }),
      'the CORS origin "*" must be like',
    ],
    [
      "a limit of principals that are not identified",
      route({}, { limit: [PER_PRINCIPAL] }),
      'the limit "account" counts principals, whom a public route does not identify',
    ],
    ["a key without retries", route({ request: withKey }, { auth: WRITERS }), NO_RETRY],
    ["a key of a GET", route({ method: "GET", request: withKey }, { retry: "safe" }), NO_RETRY],
    [
      "retries with a key that no header contains",
      route({}, { auth: WRITERS, retry: "with-key" }),
      'retry "with-key" needs the request header',
    ],
    [
      "a day that does not exist",
      route({ deprecated: { since: "2026-13-01" } }),
      '"2026-13-01" must be a date',
    ],
    ["a date in words", route({ deprecated: { since: "May 1, 2026" } }), '"May 1, 2026" must be a date'],
    [
      "an end before the deprecation",
      route({ deprecated: { since: "2026-05-02", sunset: "2026-05-01" } }),
      "sunset must not be before since",
    ],
    [
      "a link that could end its header field",
      route({ deprecated: { since: "2026-05-01", link: 'https://docs.example/a>; rel="next"' } }),
      "link must be an absolute URL",
    ],
    [
      "retries with a key without an owner",
      route({ request: withKey }, { retry: "with-key" }),
      'retry "with-key" needs a principal',
    ],
  ])("rejects %s", (_, declared, why) => {
    expect(() => defineRoute(declared)).toThrow(ContractError);
    expect(() => defineRoute(declared)).toThrow(`${declared.method} ${declared.path}: ${why}`);
  });

  const WRONG: [NonNullable<Route["policy"]["retry"]>, Method[]][] = [
    ["safe", ["POST", "PUT", "PATCH", "DELETE"]],
    ["idempotent", ["GET", "POST", "PATCH"]],
  ];
  test.each(
    WRONG.flatMap(([retry, methods]) => methods.map((method) => [retry, method] as const)),
  )("rejects the retry %s for a %s", (retry, method) => {
    expect(() => defineRoute(route({ method }, { retry }))).toThrow(`retry "${retry}" is for`);
  });
});

describe("the default of a route", () => {
  const body: RequestShape = { body: z.string() };
  test.each([
    ["64 KiB with a body", route({ request: body }), 65_536],
    ["0 for a GET", route({ method: "GET" }), 0],
    ["a kibibyte, which is ignored, without a body's schema", route({ method: "POST" }), 1_024],
    ["its policy's", route({ request: body }, { maxBody: 9 }), 9],
    ["its policy's, even 0", route({ request: body }, { maxBody: 0 }), 0],
    ["its policy's, even without a body's schema", route({}, { maxBody: 9 }), 9],
  ])("for the largest body is %s", (_, declared, bytes) => {
    expect(maxBodyBytes(declared)).toBe(bytes);
  });

  test.each([
    ["ten seconds", route(), 10_000],
    ["its policy's", route({}, { timeout: "5ms" }), 5],
  ])("for the deadline is %s", (_, declared, ms) => {
    expect(timeoutMs(declared)).toBe(ms);
  });
});

test("a deprecated route's fields are a date of structured fields, an HTTP date and a link", () => {
  const link = "https://docs.example/migrate";
  expect(deprecationFields({ since: "2026-05-01", sunset: "2027-05-01T12:00Z", link })).toEqual({
    deprecation: "@1777593600",
    sunset: "Sat, 01 May 2027 12:00:00 GMT",
    link: '<https://docs.example/migrate>; rel="deprecation"',
  });
  expect(deprecationFields({ since: "2026-05-01" })).toEqual({ deprecation: "@1777593600" });
});

test("the scopes of routes are sorted, each once, without those of public routes", () => {
  const routes = {
    a: route({}, { auth: { scopes: ["orders:write", "orders:read"] } }),
    b: route(),
    c: route({}, { auth: { scopes: ["catalog", "orders:read"] } }),
  };
  expect(scopesOf(routes)).toEqual(["catalog", "orders:read", "orders:write"]);
});
