import { expect, test } from "vitest";
import { problemTypes } from "../../../src/contract/problem.ts";
import { SCREENING_RULES } from "../../../src/middleware/screening/rules.ts";
import {
  MOST_URL_LENGTH,
  SCREENED_METHODS,
  type ScreenedRequest,
  screen,
} from "../../../src/middleware/screening/screen.ts";

const request: ScreenedRequest = {
  method: "GET",
  path: "/v1/products",
  query: "?q=lamp",
  headers: [["accept", "*/*"]],
};

test("an ordinary request passes, whatever its method", () => {
  for (const method of SCREENED_METHODS.split(", "))
    expect(screen({ ...request, method }), method).toBeUndefined();
});

test.each([
  "TRACE",
  "CONNECT",
  "PROPFIND",
  "get",
  "GET ",
  "",
  "GETS",
])("the method %j is rejected", (method) => {
  expect(screen({ ...request, method })?.rule).toBe("method");
});

test("path and query together have a maximum length", () => {
  const room = MOST_URL_LENGTH - request.path.length;
  expect(screen({ ...request, query: "?".padEnd(room, "a") })).toBeUndefined();
  expect(screen({ ...request, query: "?".padEnd(room + 1, "a") })?.rule).toBe("url_too_long");
  expect(screen({ ...request, path: "/../".repeat(100_000) })?.rule).toBe("url_too_long");
});

test.each(["?q=%00", "?q=a%00b", "?\0"])("NUL in the query %j is rejected", (query) => {
  expect(screen({ ...request, query })).toEqual({
    rule: "control_characters",
    details: "control_characters: query",
  });
});

test.each([
  "",
  "?",
  "?q=%E0%A4%A",
  "?q=../..",
  "?q=a//b;c\\d",
  "?q='\"<>",
  "?q=100%",
  "?file=/.env",
])("the query %j passes: routes validate it", (query) => {
  expect(screen({ ...request, query })).toBeUndefined();
});

test("rules of the path come before rules of header fields", () => {
  const headers: [string, string][] = [["a", "\0"]];
  expect(screen({ ...request, path: "/.env", headers })?.rule).toBe("scanner_path");
  expect(screen({ ...request, headers })?.rule).toBe("control_characters");
});

test("header fields are optional", () => {
  const { headers: _, ...rest } = request;
  expect(screen(rest)).toBeUndefined();
});

test("every rule has a client error", () => {
  const statuses = Object.entries(SCREENING_RULES).map(([rule, { answer }]) => [
    rule,
    problemTypes[answer].status,
  ]);
  expect(Object.fromEntries(statuses)).toEqual({
    path_traversal: 400,
    control_characters: 400,
    malformed_encoding: 400,
    encoded_separator: 400,
    backslash: 400,
    empty_segment: 404,
    path_parameter: 404,
    scanner_path: 404,
    method: 405,
    url_too_long: 414,
    headers_too_large: 431,
    duplicate_header: 400,
  });
});
