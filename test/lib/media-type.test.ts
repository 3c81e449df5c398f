import { expect, test } from "vitest";
import { isJson } from "../../src/lib/http.ts";

test.each([
  ["application/json"],
  ["Application/JSON"],
  [" application/json "],
  ["application/json;charset=utf-8"],
  ["application/json; charset=UTF-8"],
  ['application/json; charset="utf-8"'],
  ["application/json ; profile=x ; Charset=utf-8"],
  ["application/json;"],
])("%j is JSON in UTF-8", (contentType) => {
  expect(isJson(contentType)).toBe(true);
});

test.each([
  [null],
  [""],
  ["text/plain"],
  ["text/json"],
  ["application/jsonx"],
  ["application/problem+json"],
  ["application/x-www-form-urlencoded"],
  ["multipart/form-data; boundary=application/json"],
  ["text/plain; application/json"],
  ["application/json, text/plain"],
  ["application/json; charset=iso-8859-1"],
  ["application/json; charset=utf-16"],
  ["application/json; charset="],
])("%j is not", (contentType) => {
  expect(isJson(contentType)).toBe(false);
});
