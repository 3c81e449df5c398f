import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readVerdict, type Verdict, writeVerdict } from "../../../src/middleware/auth/identity-headers.ts";

/** RFC 6749 §3.3, `scope-token`. */
const scope = fc.stringMatching(/^[!#-[\]-~]{1,20}$/);
const auth = fc.constantFrom("api-key", "jwt");
const principal = fc.record({
  id: fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 200 }),
    fc.constantFrom("jwt:alice", "%", "%41", 'a, scopes="admin"', "\r\nx: y", "\0", " ", "\u202e", "🌊"),
  ),
  scopes: fc.array(scope),
});

const roundTrip = (verdict: Verdict): Verdict | undefined => {
  const fields = writeVerdict(verdict);
  return readVerdict(fields.verdict, fields.principal);
};

describe("a verdict", () => {
  test("about nobody is read back as it was written", () => {
    expect(roundTrip({ auth: "none" })).toEqual({ auth: "none" });
  });

  test("about a principal is read back as it was written, whatever the principal is called", () => {
    fc.assert(
      fc.property(auth, principal, (how, who) => {
        expect(roundTrip({ auth: how, principal: who })).toEqual({ auth: how, principal: who });
      }),
    );
  });

  test("is written in visible ASCII, as a header field needs", () => {
    fc.assert(
      fc.property(auth, principal, (how, who) => {
        const fields = writeVerdict({ auth: how, principal: who });
        expect(fields.verdict).toMatch(/^[ -~]*$/);
        expect(fields.principal).toMatch(/^[!-~]+$/);
      }),
    );
  });

  test("is written in the form that is documented", () => {
    const who = { id: "Zo\u00eb, \u03b1", scopes: ["a", "b:c"] };
    const name = "Zo%C3%AB%2C%20%CE%B1";
    expect(writeVerdict({ auth: "none" })).toEqual({ verdict: "auth=none" });
    expect(writeVerdict({ auth: "api-key", principal: who })).toEqual({
      verdict: 'auth=api-key, scopes="a b:c"',
      principal: name,
    });
    expect(writeVerdict({ auth: "jwt", principal: who })).toEqual({
      verdict: 'auth=jwt, scopes="a b:c"',
      principal: name,
    });
  });

  test.each([
    "",
    " ",
    "a b",
    'a"',
    'a", admin="1',
    '", scopes="admin',
    "a\\",
    "a\tb",
    "a\r\nx: y",
    "a\0",
    "\u007f",
    "\u00e9",
    "\u00a0",
    "\ud800",
  ])("is written without %j, which is no scope", (odd) => {
    const who = { id: "demo", scopes: ["orders:read", odd, "a,b"] };
    expect(writeVerdict({ auth: "jwt", principal: who }).verdict).toBe('auth=jwt, scopes="orders:read a,b"');
  });

  test("gives no scope that the principal does not have, whatever its scopes are", () => {
    const odd = fc.oneof(scope, fc.string({ unit: "binary" }), fc.stringMatching(/^[ ",=a\\]*$/));
    fc.assert(
      fc.property(auth, fc.array(odd), (how, scopes) => {
        const read = roundTrip({ auth: how, principal: { id: "demo", scopes } });
        const kept = scopes.filter((each) => /^[!#-[\]-~]+$/.test(each));
        expect(read).toEqual({ auth: how, principal: { id: "demo", scopes: kept } });
      }),
    );
  });

  // Such a name cannot come from PostgreSQL, whose texts are UTF-8.
  test("about a principal whose name is not Unicode is not written at all", () => {
    const broken = { id: "\ud800", scopes: [] };
    expect(() => writeVerdict({ auth: "api-key", principal: broken })).toThrow(URIError);
  });
});

describe("readVerdict", () => {
  test.each<[string, string, string | null | undefined]>([
    ["nothing", "", undefined],
    ["an unknown kind", "auth=mtls", undefined],
    ["a kind in capitals", 'auth=JWT, scopes="a"', "demo"],
    ["a kind of the prototype", 'auth=constructor, scopes="a"', "demo"],
    ["nobody with scopes", 'auth=none, scopes="a"', "demo"],
    ["nobody with a name", "auth=none", "demo"],
    ["nobody with an empty name", "auth=none", ""],
    ["a token without a name", 'auth=jwt, scopes="a"', undefined],
    ["a token without scopes", "auth=jwt", "demo"],
    ["a key without a name", 'auth=api-key, scopes="a"', undefined],
    ["a key with a missing name", 'auth=api-key, scopes="a"', null],
    ["a key with an empty name", 'auth=api-key, scopes="a"', ""],
    ["a key without scopes", "auth=api-key", "demo"],
    ["scopes that do not end", 'auth=api-key, scopes="a', "demo"],
    ["something after the scopes", 'auth=api-key, scopes="a", admin="1"', "demo"],
    ["scopes twice", 'auth=jwt, scopes="a", scopes="b"', "demo"],
    ["scopes with a quote", 'auth=jwt, scopes="a"b"', "demo"],
    ["scopes with a backslash", 'auth=jwt, scopes="a\\b"', "demo"],
    ["scopes with an escaped quote", 'auth=jwt, scopes="a\\"b"', "demo"],
    ["scopes with two spaces between", 'auth=jwt, scopes="a  b"', "demo"],
    ["scopes with a space before", 'auth=jwt, scopes=" a"', "demo"],
    ["scopes with a space behind", 'auth=jwt, scopes="a "', "demo"],
    ["scopes that are a space", 'auth=jwt, scopes=" "', "demo"],
    ["scopes with a tab", 'auth=jwt, scopes="a\tb"', "demo"],
    ["scopes that are not ASCII", 'auth=jwt, scopes="\u00e9"', "demo"],
    ["a line break at the end", 'auth=jwt, scopes="a"\n', "demo"],
    ["a space at the end", 'auth=jwt, scopes="a" ', "demo"],
    ["no space between", 'auth=jwt,scopes="a"', "demo"],
    ["something before", 'x, auth=api-key, scopes="a"', "demo"],
    ["a name with a broken escape", 'auth=api-key, scopes="a"', "%"],
    ["a name that is not UTF-8", 'auth=api-key, scopes="a"', "%ff"],
    ["a name that is not encoded", 'auth=jwt, scopes="a"', "Zo\u00eb"],
    ["a name that is half a character", 'auth=jwt, scopes="a"', "\ud800"],
    ["a name with a comma", 'auth=jwt, scopes="a"', "a,b"],
    ["a name that is encoded where it need not be", 'auth=jwt, scopes="a"', "%61"],
    ["a name that is encoded in small letters", 'auth=jwt, scopes="a"', "%c3%ab"],
  ])("takes no verdict with %s", (_, verdict, name) => {
    expect(readVerdict(verdict, name)).toBeUndefined();
  });

  test("never throws, and takes what is written in one way alone, whatever the fields hold", () => {
    const verdict = fc.oneof(
      fc.string(),
      fc.constant("auth=none"),
      fc.tuple(auth, fc.string()).map(([how, scopes]) => `auth=${how}, scopes="${scopes}"`),
    );
    const name = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string().map((text) => `%${text}`),
    );
    fc.assert(
      fc.property(verdict, fc.option(name), (field, id) => {
        const read = readVerdict(field, id);
        // What is read is what is written so, and nothing else.
        if (read !== undefined) {
          const written = writeVerdict(read);
          expect([written.verdict, written.principal ?? null]).toEqual([field, id]);
        }
      }),
    );
  });
});
