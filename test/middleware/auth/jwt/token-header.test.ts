import fc from "fast-check";
import { expect, test } from "vitest";
import {
  looksLikeToken,
  MOST_TOKEN_LENGTH,
  readTokenHeader,
} from "../../../../src/middleware/auth/jwt/token-header.ts";
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
  [{ alg: "ES256", b64: false }, { isSound: false }],
  [{ alg: "ES256", b64: "true" }, { isSound: false }],
  [{ alg: "ES256", b64: true }, { isSound: true }],
  [{ alg: "ES256", crit: null }, { isSound: false }],
  [{ alg: "ES256", kid: null }, { isSound: false }],
  [{ alg: "ES256", kid: ["a"] }, { isSound: false }],
  [{ alg: "ES256", typ: " JWT" }, { isSound: false }],
  [{ alg: "ES256", typ: ["JWT"] }, { isSound: false }],
  [{ alg: "ES256", typ: "" }, { isSound: false }],
  [{ alg: ["ES256"] }, { alg: ["ES256"] }],
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

test.each<[string, string, string]>([
  ["AA", "AQ", "AB"],
  ["AAA", "AAE", "AAF"],
  ["AAAAgg", "AAAAAg", "AAAAA-"],
  ["AAAAAA0", "AAAAAA8", "AAAAAA_"],
])("%s and %s are written as an encoder writes them, %s is not", (one, another, third) => {
  const header = base64Url(JSON.stringify({ alg: "ES256" }));
  const isRead = (payload: string, signature: string): boolean =>
    readTokenHeader(`${header}.${payload}.${signature}`) !== undefined;
  expect(isRead(one, another)).toBe(true);
  expect(isRead(another, one)).toBe(true);
  expect(isRead(third, one)).toBe(false);
  expect(isRead(one, third)).toBe(false);
});

test("whatever is encoded is in canonical form", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (bytes) => {
      const header = base64Url(JSON.stringify({ alg: "ES256" }));
      const part = base64Url(bytes);
      expect(readTokenHeader(`${header}.${part}.${part}`)).toBeDefined();
    }),
  );
});

test("of a member that stands there twice the last one counts", () => {
  expect(readTokenHeader(withHeader('{"alg":"none","alg":"ES256"}'))?.alg).toBe("ES256");
  expect(readTokenHeader(withHeader('{"alg":"ES256","alg":"none"}'))?.alg).toBe("none");
});

test("a token is at most 8 KiB long", () => {
  const start = withHeader({ alg: "ES256" });
  expect(readTokenHeader(start.padEnd(MOST_TOKEN_LENGTH, "A"))).toBeDefined();
  expect(readTokenHeader(start.padEnd(MOST_TOKEN_LENGTH + 1, "A"))).toBeUndefined();
});
