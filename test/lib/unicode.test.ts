import { expect, test } from "vitest";
import { escapeUnprintable } from "../../src/lib/unicode.ts";

test.each([
  ["\u001b[2J\u0007", "\\u001b[2J\\u0007"],
  ["two\r\nlines", "two\\u000d\\u000alines"],
  ["\u202eevil\u2028", "\\u202eevil\\u2028"],
  ["\u{e0041}", "\\u{e0041}"],
  ["plain, häßlich, 日本", "plain, häßlich, 日本"],
])("a terminal gets %j as %j", (text, escaped) => {
  expect(escapeUnprintable(text)).toBe(escaped);
});
