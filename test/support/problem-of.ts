import { expect } from "vitest";
import { isProblemCode, type ProblemDetails } from "../../src/contract/problem.ts";

const isDetails = (value: unknown): value is ProblemDetails =>
  typeof value === "object" &&
  value !== null &&
  "code" in value &&
  isProblemCode(value.code) &&
  "requestId" in value;

/** A response's problem; fails the test if it is not a problem, or contradicts the response's fields. */
export const problemOf = async (response: Response): Promise<ProblemDetails> => {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const details: unknown = await response.json();
  if (!isDetails(details)) throw new Error(`not a problem: ${JSON.stringify(details)}`);
  expect(details.status).toBe(response.status);
  expect(details.requestId).toBe(response.headers.get("x-request-id"));
  return details;
};
