import { expect, test } from "vitest";
import {
  looksLikeToken,
  MOST_TOKEN_LENGTH,
  readTokenHeader,
} from "../../../../src/core/security/jwt/token-header.ts";
import { base64Url } from "./issuer.ts";

const withHeader = (header: unknown): string =>
  `${base64Url(typeof header === "string" ? header : JSON.stringify(header))}.e30.AA`;

test.each([withHeader({ alg: "ES256" }), "a.b.c", "a-_0.b.", "a.b.-_"])("%s looks like a token", (text) => {
  expect(looksLikeToken(text)).toBe(true);
});

test.each([
  "",
  ".",
  "..",
  "a.b",
  ".b.c",
  "a..c",
  "a.b.c.d",
  "a.b.c.d.e",
  "a.b.c ",
  " a.b.c",
  "a.b.c\n",
  "a.b.c=",
  "a+.b.c",
  "a/.b.c",
  "ä.b.c",
  `bwk_${"a".repeat(12)}_${"b".repeat(43)}`,
  "a".repeat(100_000),
  `${"a.".repeat(50_000)}a`,
])("%j does not", (text) => {
  expect(looksLikeToken(text)).toBe(false);
});

test.each<[object, object]>([
  [{ alg: "ES256" }, { alg: "ES256", kid: undefined, isSound: true }],
  [
    { alg: "ES256", kid: "a", typ: "JWT" },
    { alg: "ES256", kid: "a", isSound: true },
  ],
  [
    { alg: "none", typ: "at+jwt" },
    { alg: "none", kid: undefined, isSound: true },
  ],
  [{ typ: "application/AT+JWT" }, { isSound: true }],
  [{ alg: 1 }, { alg: 1 }],
  [{ alg: "ES256", typ: "logout+jwt" }, { isSound: false }],
  [{ alg: "ES256", typ: 1 }, { isSound: false }],
  [
    { alg: "ES256", kid: 1 },
    { kid: undefined, isSound: false },
  ],
  [{ alg: "ES256", crit: ["exp"], exp: 1 }, { isSound: false }],
  [{ alg: "ES256", crit: [] }, { isSound: false }],
  [{ alg: "ES256", b64: false, crit: ["b64"] }, { isSound: false }],
])("the header %j is read as %j", (header, read) => {
  expect(readTokenHeader(withHeader(header))).toMatchObject(read);
});

test.each<[string, string]>([
  ["no JSON", withHeader("{")],
  ["an array", withHeader([])],
  ["a text", withHeader('"ES256"')],
  ["nothing", withHeader("null")],
  ["no UTF-8", `${base64Url(Uint8Array.of(0x7b, 0xff, 0x7d))}.e30.AA`],
  ["a length that base64 cannot have", "A.e30.AA"],
])("a header that is %s is none", (_, text) => {
  expect(readTokenHeader(text)).toBeUndefined();
});

test("a token is at most 8 KiB long", () => {
  const start = withHeader({ alg: "ES256" });
  expect(readTokenHeader(start.padEnd(MOST_TOKEN_LENGTH, "A"))).toBeDefined();
  expect(readTokenHeader(start.padEnd(MOST_TOKEN_LENGTH + 1, "A"))).toBeUndefined();
});
