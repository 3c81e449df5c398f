import { expect, test } from "vitest";
import { type Problem, type ProblemCode, problem, problemTypes } from "../../../src/contract/problem.ts";
import { problemResponse, securityHeaders } from "../../../src/middleware/problems/index.ts";

const REQUEST_ID = "01900000-0000-7000-8000-000000000001";
const isCode = (code: string): code is ProblemCode => code in problemTypes;

const bodyOf = (problem: Problem): Promise<unknown> => problemResponse(problem, REQUEST_ID).json();

test.each(Object.keys(problemTypes).filter(isCode))("%s has its status and title", async (code) => {
  const { status, title } = problemTypes[code];
  expect(problemResponse(problem(code), REQUEST_ID).status).toBe(status);
  const type = `/docs#problem-${code}`;
  expect(await bodyOf(problem(code))).toEqual({ type, title, status, code, requestId: REQUEST_ID });
});

test("the response is problem+json, not stored, with the security fields and those of the problem", () => {
  const response = problemResponse(problem("method_not_allowed", { headers: { allow: "GET" } }), REQUEST_ID);
  expect(Object.fromEntries(response.headers)).toEqual({
    ...securityHeaders,
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    "x-request-id": REQUEST_ID,
    allow: "GET",
  });
});

test("the body contains the details, but no header fields", async () => {
  const errors = [{ in: "body", field: "lines[0].quantity", detail: "Too small" }] as const;
  const details = { detail: "Two words", errors };
  const body = await bodyOf(problem("invalid_request", { ...details, headers: { "retry-after": "1" } }));
  expect(body).toMatchObject({ code: "invalid_request", ...details });
  expect(body).not.toHaveProperty("headers");
});
