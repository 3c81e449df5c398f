import { describe, expect, test } from "vitest";
import { type ProblemCode, problem, problemTypes, problemTypeUri } from "../../../src/contract/problem.ts";
import { problemDetails, problemResponse, securityHeaders } from "../../../src/middleware/problems/index.ts";

const REQUEST_ID = "01900000-0000-7000-8000-000000000001";
const isCode = (code: string): code is ProblemCode => code in problemTypes;
const codes = Object.keys(problemTypes).filter(isCode);

describe("the answer to a problem", () => {
  test.each(codes)("%s has its status and its title", async (code) => {
    const answer = problemResponse(problem(code), REQUEST_ID);
    expect(answer.status).toBe(problemTypes[code].status);
    expect(await new Response(answer.body).json()).toEqual({
      type: problemTypeUri(code),
      title: problemTypes[code].title,
      status: problemTypes[code].status,
      code,
      requestId: REQUEST_ID,
    });
  });

  const { headers } = problemResponse(problem("internal"), REQUEST_ID);

  test("is problem+json, never stored, and names its request", () => {
    expect(headers.get("content-type")).toBe("application/problem+json");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-request-id")).toBe(REQUEST_ID);
  });

  test("carries the security fields, and those of the refusal", () => {
    const answer = problemResponse(problem("method_not_allowed", { headers: { allow: "GET" } }), REQUEST_ID);
    expect(Object.fromEntries(answer.headers)).toMatchObject({ ...securityHeaders, allow: "GET" });
  });
});

describe("problemDetails", () => {
  test("tells what is wrong where", () => {
    const errors = [{ in: "body", field: "lines[0].quantity", detail: "Too small" }] as const;
    const details = problemDetails(problem("invalid_request", { detail: "Two words", errors }), REQUEST_ID);
    expect(details).toMatchObject({ code: "invalid_request", detail: "Two words", errors });
  });

  test("keeps header fields out of the body", () => {
    const details = problemDetails(problem("unavailable", { headers: { "retry-after": "1" } }), REQUEST_ID);
    expect(details).not.toHaveProperty("headers");
  });
});
