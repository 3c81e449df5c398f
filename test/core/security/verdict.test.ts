import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readVerdict, type Verdict, writeVerdict } from "../../../src/core/security/verdict.ts";

/** RFC 6749 §3.3, `scope-token`. */
const scope = fc.stringMatching(/^[!#-[\]-~]{1,20}$/);
const principal = fc.record({
  id: fc.string({ unit: "binary", minLength: 1, maxLength: 200 }),
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
      fc.property(principal, (each) => {
        expect(roundTrip({ auth: "api-key", principal: each })).toEqual({ auth: "api-key", principal: each });
      }),
    );
  });

  test("is written in visible ASCII, as a header field needs", () => {
    fc.assert(
      fc.property(principal, (each) => {
        const fields = writeVerdict({ auth: "api-key", principal: each });
        expect(fields.verdict).toMatch(/^[ -~]*$/);
        expect(fields.principal).toMatch(/^[!-~]+$/);
      }),
    );
  });

  test("is written in the form that is documented", () => {
    const written = writeVerdict({
      auth: "api-key",
      principal: { id: "Zo\u00eb, \u03b1", scopes: ["a", "b:c"] },
    });
    expect(written).toEqual({
      verdict: 'auth=api-key, scopes="a b:c"',
      principal: "Zo%C3%AB%2C%20%CE%B1",
    });
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
    ["nobody with a name", "auth=none", "demo"],
    ["a key without a name", 'auth=api-key, scopes="a"', undefined],
    ["a key with a missing name", 'auth=api-key, scopes="a"', null],
    ["a key with an empty name", 'auth=api-key, scopes="a"', ""],
    ["a key without scopes", "auth=api-key", "demo"],
    ["scopes that do not end", 'auth=api-key, scopes="a', "demo"],
    ["something after the scopes", 'auth=api-key, scopes="a", admin="1"', "demo"],
    ["something before", 'x, auth=api-key, scopes="a"', "demo"],
    ["a name with a broken escape", 'auth=api-key, scopes="a"', "%"],
    ["a name that is not UTF-8", 'auth=api-key, scopes="a"', "%ff"],
  ])("takes no verdict with %s", (_, verdict, name) => {
    expect(readVerdict(verdict, name)).toBeUndefined();
  });

  test("never throws, whatever the fields hold", () => {
    const verdict = fc.oneof(fc.string(), fc.constant("auth=none"), fc.constant('auth=api-key, scopes=""'));
    const name = fc.oneof(
      fc.string(),
      fc.string().map((text) => `%${text}`),
    );
    fc.assert(
      fc.property(verdict, fc.option(name), (field, id) => {
        readVerdict(field, id);
      }),
    );
  });
});
