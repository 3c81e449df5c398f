import { expect, test } from "vitest";
import { attributes, nanoseconds } from "../../src/telemetry/otlp.ts";

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
  [Number.NEGATIVE_INFINITY, { doubleValue: "-Infinity" }],
  ["a".repeat(3_000), { stringValue: "a".repeat(2_048) }],
])("the attribute value %s is %j", (value, expected) => {
  expect(attributes({ key: value })).toEqual([{ key: "key", value: expected }]);
});

test("attributes without a value are omitted", () => {
  expect(attributes({ a: 1, b: null, c: undefined }).map(({ key }) => key)).toEqual(["a"]);
});

test("lone surrogates are replaced, because receivers reject invalid Unicode", () => {
  expect(attributes({ "a\ud800": "b\udc00" })).toEqual([
    { key: "a\ufffd", value: { stringValue: "b\ufffd" } },
  ]);
});

test.each([
  [0, "0"],
  [1, "1000000"],
  [0.25, "250000"],
  [1_700_000_000_123, "1700000000123000000"],
  [1_700_000_000_123.5, "1700000000123500000"],
  [0.9999999, "1000000"],
  [8_640_000_000_000_000, "0"],
  [-1, "0"],
  [Number.NaN, "0"],
  [Number.POSITIVE_INFINITY, "0"],
])("%d ms are %s ns", (ms, text) => {
  expect(nanoseconds(ms)).toBe(text);
});
