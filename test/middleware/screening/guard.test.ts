import { describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import type { Problem } from "../../../src/contract/problem.ts";
import { defineRoute } from "../../../src/contract/route.ts";
import type { Exchange } from "../../../src/middleware/exchange.ts";
import { compileRoutes } from "../../../src/middleware/route-policy/route-table.ts";
import { screeningGuard } from "../../../src/middleware/screening/index.ts";
import type { ScreeningRule } from "../../../src/middleware/screening/rules.ts";
import type { SecurityFinding } from "../../../src/middleware/security-report.ts";
import { type OpenOptions, openExchange } from "../open-exchange.ts";

/** A route with a path that scanners ask for. */
const health = defineRoute({
  method: "GET",
  path: "/actuator/health",
  summary: "Tells how it is",
  tag: "Test",
  responses: { 204: { description: "Well" } },
  policy: { auth: "public" },
});
const thing = defineRoute({
  method: "GET",
  path: "/things/:id",
  summary: "Gives a thing",
  tag: "Test",
  request: { params: z.object({ id: z.string() }) },
  responses: { 204: { description: "Done" } },
  policy: { auth: "public" },
});
const table = compileRoutes(edgeRoutes({ health, thing }));

const screened = () => {
  const findings: SecurityFinding[] = [];
  const guard = screeningGuard(table, (_, finding) => void findings.push(finding));
  return { guard, findings };
};

interface Case {
  readonly sent: OpenOptions & { readonly fields?: Exchange["fields"] };
  readonly answer: Problem;
}

/** Told what was wrong. */
const told = (code: Problem["code"], about: string): Problem => ({ code, detail: `Rejected: ${about}.` });
/** Told what everybody is told of what does not exist. */
const nothingThere: Problem = { code: "not_found" };

const cases: Readonly<Record<ScreeningRule, Case>> = {
  path_traversal: {
    sent: { target: "/v1/%2e%2e/x" },
    answer: told("invalid_request", "path_traversal: segment 2 of the path, decoded once"),
  },
  control_characters: {
    sent: { target: "/v1?q=%00" },
    answer: told("invalid_request", "control_characters: query"),
  },
  malformed_encoding: {
    sent: { target: "/v1/%zz" },
    answer: told("invalid_request", "malformed_encoding: path"),
  },
  encoded_separator: {
    sent: { target: "/v1/a%2fb" },
    answer: told("invalid_request", "encoded_separator: path, decoded once"),
  },
  backslash: { sent: { target: "/v1\\a" }, answer: told("invalid_request", "backslash: path") },
  empty_segment: { sent: { target: "/v1//a" }, answer: nothingThere },
  path_parameter: { sent: { target: "/v1/a;b" }, answer: nothingThere },
  scanner_path: { sent: { target: "/.env" }, answer: nothingThere },
  method: {
    sent: { method: "TRACE" },
    answer: {
      code: "method_not_allowed",
      headers: { allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" },
    },
  },
  url_too_long: {
    sent: { target: "/".padEnd(8_193, "a") },
    answer: told("uri_too_long", "url_too_long: path and query"),
  },
  headers_too_large: {
    sent: { fields: [["a", "a".repeat(8_193)]] },
    answer: told("header_fields_too_large", "headers_too_large: header field a"),
  },
  duplicate_header: {
    sent: { fields: [["content-length", "1, 2"]] },
    answer: told("invalid_request", "duplicate_header: header field content-length"),
  },
};

test.each(Object.entries(cases))("%s is answered as it should be, and reported once", (rule, each) => {
  const { guard, findings } = screened();
  const { fields, ...options } = each.sent;
  const exchange = { ...openExchange(options), ...(fields && { fields }) };
  expect(guard(exchange)).toEqual(each.answer);
  expect(findings).toEqual([
    { type: "suspicious_activity", rule, details: expect.stringMatching(`^${rule}: `) },
  ]);
});

test("an ordinary request goes on, and nothing is told of it", () => {
  const { guard, findings } = screened();
  expect(guard(openExchange({ target: "/v1/products?q=lamp" }))).toBeUndefined();
  expect(findings).toEqual([]);
});

describe("a path that scanners ask for", () => {
  test.each([
    ["GET", "/actuator/health"],
    ["HEAD", "/actuator/health"],
    // That it does not know the method is for the route guard to say.
    ["POST", "/actuator/health"],
  ])("is ordinary where the contract has it: %s %s", (method, target) => {
    const { guard, findings } = screened();
    expect(guard(openExchange({ method, target }))).toBeUndefined();
    expect(findings).toEqual([]);
  });

  test.each([
    "/actuator",
    "/actuator/env",
    "/actuator/health/",
    "/actuator/health/x",
  ])("is none beside it: %s", (target) => {
    expect(screened().guard(openExchange({ target }))).toEqual(nothingThere);
  });
});

test("no other rule yields to the contract", () => {
  expect(screened().guard(openExchange({ target: "/things/a%2fb" }))).toEqual(cases.encoded_separator.answer);
  expect(screened().guard(openExchange({ target: "/things/a;b" }))).toEqual(nothingThere);
  expect(screened().guard(openExchange({ target: "/things/a?q=%00" }))).toEqual(
    cases.control_characters.answer,
  );
});

test("header fields are looked at only where the exchange has them at hand", () => {
  const headers = { "content-length": "1, 2" };
  const exchange = openExchange({ headers });
  expect(screened().guard(exchange)).toBeUndefined();
  expect(screened().guard({ ...exchange, fields: new Headers(headers) })).toMatchObject({
    code: "invalid_request",
  });
});

test.each([
  "/things/a%2fb.php",
  "/things/.env;x",
  "/things/a.php?q=%00",
])("what scanners ask for hides nothing else where it is a route's: %s", (target) => {
  expect(screened().guard(openExchange({ target }))).toBeDefined();
});
