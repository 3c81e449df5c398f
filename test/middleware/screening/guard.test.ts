import { describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import type { Problem } from "../../../src/contract/problem.ts";
import { defineRoute } from "../../../src/contract/route.ts";
import { compileRoutes } from "../../../src/middleware/route-policy/route-table.ts";
import { screening } from "../../../src/middleware/screening/index.ts";
import type { ScreeningRule } from "../../../src/middleware/screening/rules.ts";
import type { SecurityFinding } from "../../../src/middleware/security-report.ts";
import { appOf, type RequestOptions } from "../support/app.ts";

/** A route with a path that scanners ask for. */
const health = defineRoute({
  method: "GET",
  path: "/actuator/health",
  summary: "Reports health",
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
const routes = compileRoutes(edgeRoutes({ health, thing }));

const startApp = () => {
  const findings: SecurityFinding[] = [];
  const reported: (string | null)[] = [];
  const report = (_: unknown, route: string | null, finding: SecurityFinding): void => {
    findings.push(finding);
    reported.push(route);
  };
  const app = appOf([screening({ routes, report })]);
  /** Every request is decided synchronously. */
  const send = async (options: RequestOptions) => {
    const outcome = await app(options);
    expect(outcome.isSynchronous).toBe(true);
    return outcome;
  };
  return { send, findings, reported };
};

interface Case {
  readonly sent: RequestOptions;
  readonly status: number;
  readonly problem: Problem;
}

/** A response that names what was wrong. */
const rejected = (status: number, code: Problem["code"], finding: string) => ({
  status,
  problem: { code, detail: `Rejected: ${finding}.` },
});
/** The same response as for any path that does not exist. */
const notFound: Omit<Case, "sent"> = { status: 404, problem: { code: "not_found" } };

const cases: Readonly<Record<ScreeningRule, Case>> = {
  path_traversal: {
    sent: { target: "/v1/%2e%2e/x" },
    ...rejected(400, "invalid_request", "path_traversal: segment 2 of the path, decoded once"),
  },
  control_characters: {
    sent: { target: "/v1?q=%00" },
    ...rejected(400, "invalid_request", "control_characters: query"),
  },
  malformed_encoding: {
    sent: { target: "/v1/%zz" },
    ...rejected(400, "invalid_request", "malformed_encoding: path"),
  },
  encoded_separator: {
    sent: { target: "/v1/a%2fb" },
    ...rejected(400, "invalid_request", "encoded_separator: path, decoded once"),
  },
  backslash: { sent: { target: "/v1\\a" }, ...rejected(400, "invalid_request", "backslash: path") },
  empty_segment: { sent: { target: "/v1//a" }, ...notFound },
  path_parameter: { sent: { target: "/v1/a;b" }, ...notFound },
  scanner_path: { sent: { target: "/.env" }, ...notFound },
  method: { sent: { method: "TRACE" }, status: 405, problem: { code: "method_not_allowed" } },
  url_too_long: {
    sent: { target: "/".padEnd(8_193, "a") },
    ...rejected(414, "uri_too_long", "url_too_long: path and query"),
  },
};

test.each(Object.entries(cases))("%s gets its response, and is reported once", async (rule, each) => {
  const { send, findings } = startApp();
  const { response, problem, variables } = await send(each.sent);
  expect(response.status).toBe(each.status);
  expect(problem).toEqual(each.problem);
  expect(variables.rejectedBy).toBe("screening");
  expect(findings).toEqual([
    { type: "suspicious_activity", rule, details: expect.stringMatching(`^${rule}: `) },
  ]);
});

test("a rejected method gets the accepted ones", async () => {
  const { response } = await startApp().send({ method: "TRACE" });
  expect(response.headers.get("allow")).toBe("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
});

test("an ordinary request passes, and is not reported", async () => {
  const { send, findings } = startApp();
  expect((await send({ target: "/v1/products?q=lamp" })).passed).toBe(true);
  expect(findings).toEqual([]);
});

test("a report names the route, if there is one", async () => {
  const { send, reported } = startApp();
  await send({ target: "/things/7?q=%00" });
  await send({ target: "/nothing?q=%00" });
  expect(reported).toEqual(["thing", null]);
});

describe("a path that scanners ask for", () => {
  test.each([
    ["GET", "/actuator/health"],
    ["HEAD", "/actuator/health"],
    // The route policy rejects the method.
    ["POST", "/actuator/health"],
  ])("passes if the contract has it: %s %s", async (method, target) => {
    const { send, findings } = startApp();
    expect((await send({ method, target })).passed).toBe(true);
    expect(findings).toEqual([]);
  });

  test.each([
    "/actuator",
    "/actuator/env",
    "/actuator/health/",
    "/actuator/health/x",
  ])("is rejected beside a route: %s", async (target) => {
    expect((await startApp().send({ target })).problem).toEqual(notFound.problem);
  });
});

test("no other rule makes an exception for routes", async () => {
  const { send } = startApp();
  const problemOf = async (target: string) => (await send({ target })).problem;
  expect(await problemOf("/things/a%2fb")).toEqual(cases.encoded_separator.problem);
  expect(await problemOf("/things/a;b")).toEqual(notFound.problem);
  expect(await problemOf("/things/a?q=%00")).toEqual(cases.control_characters.problem);
});

test.each([
  "/things/a%2fb.php",
  "/things/.env;x",
  "/things/a.php?q=%00",
])("a scanner's name in a route's path hides no other finding: %s", async (target) => {
  expect((await startApp().send({ target })).passed).toBe(false);
});
