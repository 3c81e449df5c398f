import { describe, expect, test } from "vitest";
import { knownMethod, OTHER_METHOD } from "../../src/lib/http.ts";

describe("a request's method for telemetry", () => {
  test.each(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("%s is itself", (method) => {
    expect(knownMethod(method)).toBe(method);
  });

  test.each([
    "get",
    "GET ",
    "PROPFIND",
    "",
    "__proto__",
    "X".repeat(10_000),
  ])("%j is one of those that nobody knows: a client cannot make up series", (method) => {
    expect(knownMethod(method)).toBe(OTHER_METHOD);
  });

  // OpenTelemetry's convention knows RFC 9110's methods and PATCH, whoever answers them.
  test.each(["CONNECT", "TRACE"])("%s is itself: RFC 9110 has it", (method) => {
    expect(knownMethod(method)).toBe(method);
  });
});
