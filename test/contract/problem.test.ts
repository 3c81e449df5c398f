import { expect, test } from "vitest";
import { apiProblems } from "#api/contract/problems.ts";
import { isProblem, platformProblems, problem, problemTypes } from "../../src/contract/problem.ts";

test.each([
  ["a problem", problem("internal"), true],
  ["a problem with details", problem("internal", { detail: "x", errors: [], headers: {} }), true],
  ["a response", { status: 200, body: {} }, false],
  ["the body of a problem's response", { status: 404, code: "not_found" }, false],
  ["a Response", new Response(null), false],
  ["an empty object", {}, false],
])("isProblem recognizes %s", (_, value, expected) => {
  expect(isProblem(value)).toBe(expected);
});

test.each(Object.entries(problemTypes))("%s has an error status and a title", (code, type) => {
  expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
  expect(type.status).toBeGreaterThanOrEqual(400);
  expect(type.status).toBeLessThan(600);
  expect(type.title).toMatch(/^[A-Z].*[^.]$/);
});

test("the API's problem types replace none of the platform's", () => {
  const codes = Object.keys(platformProblems);
  expect(Object.keys(apiProblems).filter((code) => codes.includes(code))).toEqual([]);
});
