import { expect, test } from "vitest";
import { attributes } from "../../../src/telemetry/otlp.ts";

test.each([
  ["a", { stringValue: "a" }],
  ["", { stringValue: "" }],
  [true, { boolValue: true }],
  [200, { intValue: "200" }],
  [-3, { intValue: "-3" }],
  [-0, { intValue: "0" }],
  [2 ** 53 - 1, { intValue: "9007199254740991" }],
  [2 ** 53, { doubleValue: 2 ** 53 }],
  [0.5, { doubleValue: 0.5 }],
  [Number.NaN, { doubleValue: "NaN" }],
  [Number.POSITIVE_INFINITY, { doubleValue: "Infinity" }],
  [Number.NEGATIVE_INFINITY, { doubleValue: "-Infinity" }],
  ["a".repeat(3_000), { stringValue: "a".repeat(2_048) }],
])("%s", (value, expected) => {
  expect(attributes({ key: value })).toEqual([{ key: "key", value: expected }]);
});

test("what has no value is not there", () => {
  expect(attributes({ a: 1, b: null, c: undefined, d: "" })).toEqual([
    { key: "a", value: { intValue: "1" } },
    { key: "d", value: { stringValue: "" } },
  ]);
});

test("what is no Unicode is made so: a receiver would refuse all of a request", () => {
  expect(attributes({ "a\ud800": "b\udc00" })).toEqual([
    { key: "a\ufffd", value: { stringValue: "b\ufffd" } },
  ]);
});
