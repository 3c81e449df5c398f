import { describe, expect, test } from "vitest";
import {
  entityTag,
  isJson,
  knownMethod,
  matchHolds,
  noneMatchHolds,
  OTHER_METHOD,
} from "../../src/lib/http.ts";

test.each([
  // OpenTelemetry's convention knows RFC 9110's methods and PATCH, whoever answers them.
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"].map((method) => [
    method,
    method,
  ]),
  // A client cannot make up series.
  ...["get", "GET ", "PROPFIND", "", "__proto__", "X".repeat(10_000)].map((method) => [method, OTHER_METHOD]),
])("the method %j is %s for telemetry", (method, known) => {
  expect(knownMethod(method)).toBe(known);
});

describe("the comparisons of RFC 9110 §8.8.3.2", () => {
  test.each([
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', '"1"', true, true],
  ])("%s and %s: strong %s, weak %s", (one, other, strong, weak) => {
    expect(matchHolds(one, other)).toBe(strong);
    expect(matchHolds(other, one)).toBe(strong);
    expect(noneMatchHolds(one, other)).toBe(weak);
    expect(noneMatchHolds(other, one)).toBe(weak);
  });
});

const holds = [
  ["If-Match", matchHolds],
  ["If-None-Match", noneMatchHolds],
] as const;

describe.each(holds)("%s", (_, holdsFor) => {
  test.each([
    ["*", true],
    [" * ", true],
    ['"7"', true],
    ['"6", "7"', true],
    ['"6","7","8"', true],
    ['"6", , "7"', true],
    ['"6", "8"', false],
    ['"a, b", "7"', true],
    ['"6,7"', false],
    ['""', false],
    ["", false],
    ["7", false],
    ['"7', false],
    ['"77"', false],
  ])("of %j holds for version 7: %s", (field, expected) => {
    expect(holdsFor(field, entityTag(7))).toBe(expected);
  });
});

test("If-Match takes no tag whose weakness is written in lower case", () => {
  expect(matchHolds('w/"7"', entityTag(7))).toBe(false);
});

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
