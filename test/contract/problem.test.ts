import { describe, expect, test } from "vitest";
import { apiProblems } from "../../src/contract/api/problems.ts";
import {
  isProblem,
  platformProblems,
  problem,
  problemTypes,
  problemTypeUri,
} from "../../src/contract/problem.ts";

describe("a problem", () => {
  test("is its code and what is said about it", () => {
    expect(problem("not_found", { detail: "No such order." })).toEqual({
      code: "not_found",
      detail: "No such order.",
    });
    expect(problem("internal")).toEqual({ code: "internal" });
  });

  test.each([
    ["a problem", problem("internal"), true],
    ["a problem with everything", problem("internal", { detail: "x", errors: [], headers: {} }), true],
    ["an answer", { status: 200, body: {} }, false],
    ["the body of a problem's answer", { status: 404, code: "not_found" }, false],
    ["a Response", new Response(null), false],
    ["something else", {}, false],
  ])("is told from other values: %s", (_, value, expected) => {
    expect(isProblem(value)).toBe(expected);
  });

  test("is described on the API's own page", () => {
    expect(problemTypeUri("out_of_stock")).toBe("/docs#problem-out_of_stock");
  });
});

describe("the problem types", () => {
  test.each(
    Object.entries(problemTypes),
  )("%s has an error's status, a title and a code for programs", (code, type) => {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(type.status).toBeGreaterThanOrEqual(400);
    expect(type.status).toBeLessThan(600);
    expect(type.title).toMatch(/^[A-Z].*[^.]$/);
  });

  test("of the API replace none of the platform's", () => {
    const codes = Object.keys(platformProblems);
    expect(Object.keys(apiProblems).filter((code) => codes.includes(code))).toEqual([]);
  });
});
