import { describe, expect, test } from "vitest";
import { entityTag, isJson, knownMethod, matchHolds, noneMatchHolds } from "../../src/lib/http.ts";

test.each(
  "GET HEAD POST PUT PATCH DELETE OPTIONS CONNECT TRACE".split(" "),
)("%s is a known method", (method) => {
  expect(knownMethod(method)).toBe(method);
});

// Otherwise clients could create time series.
test.each(["get", "GET ", "PROPFIND", "", "__proto__"])("the method %j is _OTHER for telemetry", (method) => {
  expect(knownMethod(method)).toBe("_OTHER");
});

describe("the comparisons of RFC 9110 §8.8.3.2", () => {
  test.each([
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', '"1"', true, true],
  ])("%s and %s: strong %s, weak %s", (one, other, strong, weak) => {
    expect([matchHolds(one, other), matchHolds(other, one)]).toEqual([strong, strong]);
    expect([noneMatchHolds(one, other), noneMatchHolds(other, one)]).toEqual([weak, weak]);
  });
});

describe.each([
  ["If-Match", matchHolds],
  ["If-None-Match", noneMatchHolds],
] as const)("%s", (_, holds) => {
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
    ['W/ "7"', false],
    ['w/"7"', false],
    ['"6" "7"', false],
    ['x, "7"', false],
    [', "7" ,', true],
  ])("of %j matches version 7: %s", (field, expected) => {
    expect(holds(field, entityTag(7))).toBe(expected);
  });
});

test.each([
  "application/json",
  "Application/JSON",
  " application/json ",
  "application/json;charset=utf-8",
  "application/json; charset=UTF-8",
  'application/json; charset="utf-8"',
  "application/json; charset=utf8",
  'application/json;charset="UTF8"',
  "application/json ; profile=x ; Charset=utf-8",
  "application/json;",
])("%j is JSON in UTF-8", (contentType) => {
  expect(isJson(contentType)).toBe(true);
});

test.each([
  undefined,
  "",
  "text/plain",
  "text/json",
  "application/jsonx",
  "application/problem+json",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=application/json",
  "text/plain; application/json",
  "application/json, text/plain",
  "application/json; charset=iso-8859-1",
  "application/json; charset=utf-16",
  "application/json; charset=",
])("%j is not JSON in UTF-8", (contentType) => {
  expect(isJson(contentType)).toBe(false);
});
