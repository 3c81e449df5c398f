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

/** A route with a scanner path. */
const health = defineRoute({
  method: "GET",
  path: "/actuator/health",
  summary: "Reports health",
  tag: "Test",
  responses: { 204: { description: "Healthy" } },
  policy: { auth: "public" },
});
const thing = defineRoute({
  method: "GET",
  path: "/things/:id",
  summary: "Returns a thing",
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

/** A response that describes the fault. */
const rejected = (status: number, code: Problem["code"], finding: string) => ({
  status,
  problem: { code, detail: `Rejected: ${finding}.` },
});
/** The same response as for any unknown path. */
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

test("a rejected method of a path in the contract gets the methods of that path", async () => {
  const { response } = await startApp().send({ method: "TRACE", target: "/things/7" });
  expect(response.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
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

describe("a scanner path", () => {
  // The route policy rejects the method POST.
  test.each(["GET", "HEAD", "POST"])("passes if the contract has it: %s", async (method) => {
    const { send, findings } = startApp();
    expect((await send({ method, target: "/actuator/health" })).passed).toBe(true);
    expect(findings).toEqual([]);
  });

  const SIMILAR = ["/actuator", "/actuator/env", "/actuator/health/", "/actuator/health/x"];
  test.each(SIMILAR)("similar to a route is rejected: %s", async (target) => {
    expect((await startApp().send({ target })).problem).toEqual(notFound.problem);
  });
});

test.each([
  ["/things/a%2fb", cases.encoded_separator.problem],
  ["/things/a%2fb.php", cases.encoded_separator.problem],
  ["/things/a;b", notFound.problem],
  ["/things/.env;x", notFound.problem],
  ["/things/a?q=%00", cases.control_characters.problem],
  ["/things/a.php?q=%00", cases.control_characters.problem],
])("no other rule makes an exception for routes: %s", async (target, expected) => {
  expect((await startApp().send({ target })).problem).toEqual(expected);
});
