import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Identity } from "../../../src/middleware/auth/principal.ts";
import { clientIdentities } from "../../../src/middleware/context/client.ts";
import {
  type EdgeContext,
  type ReceivedContext,
  readEdgeContext,
  writeEdgeContext,
} from "../../../src/middleware/signature/edge-context.ts";

const read = (text: string): ReceivedContext | undefined => readEdgeContext(text, clientIdentities(100));

/** RFC 6749 §3.3, `scope-token`. */
const scope = fc.stringMatching(/^[!#-[\]-~]{1,20}$/);
const principal = fc.record({
  id: fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 200 }),
    fc.constantFrom("jwt:alice", "%", "%41", 'a, scopes="admin"', "\r\nx: y", "\0", " ", "\u202e", "🌊"),
  ),
  scopes: fc.array(fc.oneof(scope, fc.constantFrom("a,", "auth=", "attempt=9"))),
});
const identity: fc.Arbitrary<Identity> = fc.oneof(
  fc.constant({ auth: "none" } as const),
  fc.record({ auth: fc.constantFrom("api-key", "jwt"), principal }),
);
const context: fc.Arbitrary<EdgeContext> = fc.record({
  client: fc.oneof(fc.ipV4(), fc.constantFrom("unknown", "2001:db8::1", "::")),
  identity,
  timeoutMs: fc.nat(300_000),
  attempt: fc.integer({ min: 1, max: 9 }),
  parentSpanId: fc.option(fc.stringMatching(/^[0-9a-f]{15}[1-9a-f]$/), { nil: undefined }),
});

const valid = {
  client: "192.0.2.1",
  identity: { auth: "jwt", principal: { id: "demo", scopes: ["orders:read"] } },
  timeoutMs: 9_900,
  attempt: 1,
  parentSpanId: undefined,
} as const satisfies EdgeContext;
const withScopes = (scopes: readonly string[]) =>
  writeEdgeContext({ ...valid, identity: { auth: "jwt", principal: { id: "demo", scopes } } });

describe("the edge's context", () => {
  test("round-trips, for any principal", () => {
    fc.assert(
      fc.property(context, (written) => {
        const names = written.identity.auth === "none" ? [] : written.identity.principal.scopes;
        fc.pre(names.every((name) => /^[!#-[\]-~]+$/.test(name)));
        const received = read(writeEdgeContext(written));
        expect({ ...received, client: received?.client.name }).toEqual(written);
      }),
    );
  });

  test("consists of visible ASCII and spaces, like any header field", () => {
    fc.assert(fc.property(context, (written) => void expect(writeEdgeContext(written)).toMatch(/^[ -~]*$/)));
  });

  test("is a dictionary of structured fields", () => {
    expect(writeEdgeContext({ ...valid, identity: { auth: "none" } })).toBe(
      'client="192.0.2.1", auth=none, timeout-ms=9900, attempt=1',
    );
    const principal = { id: "Zo\u00eb, \u03b1", scopes: ["a", "b:c"] };
    const identity = { auth: "api-key", principal } as const;
    expect(writeEdgeContext({ ...valid, identity, parentSpanId: "00f067aa0ba902b7" })).toBe(
      'client="192.0.2.1", auth=api-key, principal="Zo%C3%AB%2C%20%CE%B1", scopes="a b:c", ' +
        'timeout-ms=9900, attempt=1, span="00f067aa0ba902b7"',
    );
  });

  test("contains only valid scopes of the principal", () => {
    const odd = fc.oneof(scope, fc.string({ unit: "binary" }), fc.stringMatching(/^[ ",=a\\]*$/));
    fc.assert(
      fc.property(fc.array(odd), (scopes) => {
        const principal = { id: "demo", scopes: scopes.filter((each) => /^[!#-[\]-~]+$/.test(each)) };
        expect(read(withScopes(scopes))?.identity).toEqual({ auth: "jwt", principal });
      }),
    );
  });

  // PostgreSQL's texts are UTF-8, so this cannot come from there.
  test("throws for a principal id that is not well-formed Unicode", () => {
    const broken = { auth: "api-key", principal: { id: "\ud800", scopes: [] } } as const;
    expect(() => writeEdgeContext({ ...valid, identity: broken })).toThrow(URIError);
  });
});

describe("an origin", () => {
  const field = (identityMembers: string) =>
    `client="192.0.2.1", ${identityMembers}, timeout-ms=1, attempt=1`;

  test("ignores members of a newer edge", () => {
    expect(read(`${field("auth=none")}, region="eu", tier=2`)).toMatchObject({ attempt: 1 });
  });

  test.each([
    ["no members", ""],
    ["no client", "auth=none, timeout-ms=1, attempt=1"],
    ["a client that is not an address", 'client="me", auth=none, timeout-ms=1, attempt=1'],
    [
      "a client whose address is not in canonical form",
      'client="2001:DB8::1", auth=none, timeout-ms=1, attempt=1',
    ],
    ["no deadline", 'client="192.0.2.1", auth=none, attempt=1'],
    ["a deadline that is not a number", 'client="192.0.2.1", auth=none, timeout-ms=soon, attempt=1'],
    ["a negative deadline", 'client="192.0.2.1", auth=none, timeout-ms=-1, attempt=1'],
    ["attempt 0", 'client="192.0.2.1", auth=none, timeout-ms=1, attempt=0'],
    ["an invalid span", `${field("auth=none")}, span="zz"`],
    ["a member twice", `${field("auth=none")}, attempt=2`],
    ["an unknown kind of credentials", field("auth=mtls")],
    ["a kind in upper case", field('auth=JWT, principal="demo", scopes="a"')],
    ["a kind that is a property of every object", field('auth=constructor, principal="demo", scopes="a"')],
    ["an anonymous client with scopes", field('auth=none, scopes="a"')],
    ["an anonymous client with a name", field('auth=none, principal="demo"')],
    ["a token without a name", field('auth=jwt, scopes="a"')],
    ["a token without scopes", field('auth=jwt, principal="demo"')],
    ["a key with an empty name", field('auth=api-key, principal="", scopes="a"')],
    [
      "unterminated scopes",
      'client="192.0.2.1", timeout-ms=1, attempt=1, auth=jwt, principal="a", scopes="a',
    ],
    ["scopes with a quote", field('auth=jwt, principal="a", scopes="a"b"')],
    ["scopes with a backslash", field('auth=jwt, principal="a", scopes="a\\b"')],
    ["scopes with two spaces between", field('auth=jwt, principal="a", scopes="a  b"')],
    ["scopes with a space before", field('auth=jwt, principal="a", scopes=" a"')],
    ["scopes with a tab", field('auth=jwt, principal="a", scopes="a\tb"')],
    ["scopes that are not ASCII", field('auth=jwt, principal="a", scopes="\u00e9"')],
    ["a line break at the end", `${field("auth=none")}\n`],
    ["a comma at the end", `${field("auth=none")}, `],
    ["no space between members", field('auth=jwt,principal="a",scopes="a"')],
    ["a prefix", `x ${field("auth=none")}`],
    ["a name with a malformed escape", field('auth=jwt, principal="%", scopes="a"')],
    ["a name that is not UTF-8", field('auth=jwt, principal="%ff", scopes="a"')],
    ["a name that is not encoded", field('auth=jwt, principal="Zo\u00eb", scopes="a"')],
    ["a name with a comma", field('auth=jwt, principal="a,b", scopes="a"')],
    ["a needlessly encoded name", field('auth=jwt, principal="%61", scopes="a"')],
    ["a name encoded in lower case", field('auth=jwt, principal="%c3%ab", scopes="a"')],
  ])("rejects a context with %s", (_, text) => {
    expect(read(text)).toBeUndefined();
  });

  test("never throws, for any field", () => {
    const text = fc.oneof(
      fc.string(),
      fc.string().map(field),
      fc.string().map((s) => `${field("auth=none")}${s}`),
    );
    fc.assert(fc.property(text, (value) => void read(value)));
  });
});
