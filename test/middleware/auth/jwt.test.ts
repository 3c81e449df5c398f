/** Tokens that are accepted, and claims that are not; see also `forged-tokens.test.ts`. */
import { beforeAll, describe, expect, test } from "vitest";
import { createJwtVerifier, type JwtVerifierOptions } from "../../../src/middleware/auth/jwt.ts";
import {
  AUDIENCE,
  base64Url,
  bench,
  type Claims,
  createKeys,
  ISSUER,
  type IssuerKey,
  issuerKey,
  issuerOf,
  type Keys,
  NOW_S,
  proven,
  reasonFrom,
  refused,
  setOf,
  signed,
  soundClaims,
  token,
} from "./issuer.ts";

let keys: Keys;
beforeAll(async () => {
  keys = await createKeys();
});

const issuer = (options?: Partial<JwtVerifierOptions>) => issuerOf(keys, options);
const reasonOf = (text: string, options?: Partial<JwtVerifierOptions>) => reasonFrom(issuer(options), text);

describe("a valid token", () => {
  test.each([
    ["ES256", "ec"],
    ["RS256", "rsa"],
    ["EdDSA", "ed"],
    ["Ed25519", "ed"],
  ] as const)("signed with %s proves its principal", async (algorithm, name) => {
    expect(await issuer().verify(await token({ ...keys[name], algorithm }))).toEqual(proven("jwt:alice"));
  });

  test("of Ed25519 may use either name of the algorithm, if its key names none or the same", async () => {
    for (const algorithm of ["EdDSA", "Ed25519"] as const)
      for (const named of [{}, { alg: algorithm }]) {
        const key: IssuerKey = { ...keys.ed, algorithm, jwk: { ...keys.ed.jwk, ...named } };
        const at = bench(setOf(key));
        expect(await reasonFrom(at, await token(key))).toBe("proven");
        expect(await reasonFrom(at, await token(key, {}, { kid: undefined }))).toBe("proven");
      }
  });

  test("of Ed25519 needs a name of the algorithm that is accepted", async () => {
    const text = await token({ ...keys.ed, algorithm: "Ed25519" });
    expect(await reasonOf(text, { algorithms: ["EdDSA"] })).toBe("unsupported_algorithm");
    expect(await reasonOf(await token(keys.ed), { algorithms: ["Ed25519"] })).toBe("unsupported_algorithm");
  });

  test("signed with PS256 is accepted only if configured", async () => {
    const key = await issuerKey("PS256", "ps");
    const text = await token(key);
    expect(await reasonFrom(bench(setOf(key), { algorithms: ["PS256"] }), text)).toBe("proven");
    expect(await reasonFrom(bench(setOf(key)), text)).toBe("unsupported_algorithm");
  });

  test.each<[string, Claims]>([
    ["an audience among others", { aud: ["https://other.example", AUDIENCE] }],
    ["an expiry a moment ago, within the tolerance", { exp: NOW_S - 4 }],
    ["a start a moment ahead, within the tolerance", { nbf: NOW_S + 5 }],
    ["an issue time in the future", { iat: NOW_S + 3_600 }],
    ["an expiry with a fraction", { exp: NOW_S + 0.5 }],
    ["an unknown claim", { admin: true }],
    ["no scopes", { scope: undefined }],
  ])("may have %s", async (_, claims) => {
    expect(await reasonOf(await token(keys.ec, claims))).toBe("proven");
  });

  test.each(["JWT", "jwt", "at+jwt", "application/at+jwt"])("may have the type %s", async (typ) => {
    expect(await reasonOf(await token(keys.ec, {}, { typ }))).toBe("proven");
  });
});

describe("a token's claims", () => {
  test.each<[string, string, unknown[]]>([
    ["wrong_issuer", "iss", ["https://evil.example/", `${ISSUER}x`, ISSUER.toUpperCase(), undefined]],
    ["wrong_issuer", "iss", [[ISSUER], { toString: ISSUER }]],
    ["wrong_audience", "aud", ["https://other.example", `${AUDIENCE}/`, `x ${AUDIENCE}`, undefined]],
    ["wrong_audience", "aud", [["https://other.example", "x"], [[AUDIENCE]], [], 0, null]],
    ["wrong_audience", "aud", [{ 0: AUDIENCE, length: 1, includes: true }]],
    ["no_expiry", "exp", [undefined, null, true, `${NOW_S + 300}`, [NOW_S + 300], 1e306]],
    ["no_expiry", "exp", [{ valueOf: NOW_S + 300 }]],
    ["expired", "exp", [NOW_S - 3_600, NOW_S - 5, -1]],
    ["not_yet_valid", "nbf", [NOW_S + 6, 1e306]],
    ["malformed", "nbf", ["now", null, [0]]],
    ["malformed", "iat", ["now"]],
    ["no_subject", "sub", [undefined, 7, { toString: "alice" }, ["alice"], "", "a".repeat(197)]],
    ["no_subject", "sub", ["\ud800", "alice\0", "alice\nbob", "alice\u0085"]],
  ])("are rejected as %s for values of %s: %j", async (reason, claim, values) => {
    for (const value of values)
      expect(await reasonOf(await token(keys.ec, { [claim]: value })), JSON.stringify(value)).toBe(reason);
  });

  test("may name a subject in any script, up to 200 characters with the prefix", async () => {
    for (const sub of ["a".repeat(196), "アリス", "🌊", "a|b@c.example"])
      expect(await issuer().verify(await token(keys.ec, { sub }))).toEqual(proven(`jwt:${sub}`));
  });

  test.each<[string, string | Uint8Array]>([
    ["not JSON", "alice"],
    ["an array", "[]"],
    ["null", "null"],
    ["followed by more JSON", `${JSON.stringify(soundClaims)}{}`],
    ["not UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d)],
    ["another token", "eyJhbGciOiJub25lIn0.e30."],
    ["deeply nested", `${"[".repeat(3_000)}${"]".repeat(3_000)}`],
  ])("are malformed if they are %s, even if signed", async (_, payload) => {
    expect(await reasonOf(await signed(keys.ec, payload))).toBe("malformed");
  });

  test("count as the last of two values", async () => {
    const twice = (name: string, value: unknown): Promise<string> => {
      const last = `,${JSON.stringify(name)}:${JSON.stringify(value)}}`;
      return signed(keys.ec, JSON.stringify(soundClaims).replace(/\}$/, last));
    };
    expect(await issuer().verify(await twice("sub", "bob"))).toEqual(proven("jwt:bob"));
    expect(await reasonOf(await twice("exp", 1))).toBe("expired");
    expect(await reasonOf(await twice("aud", "x"))).toBe("wrong_audience");
  });

  test("cannot have an infinite expiry", async () => {
    for (const [exp, reason] of [
      ["1e400", "no_expiry"],
      ["1e999", "no_expiry"],
      ["-1e400", "expired"],
    ]) {
      const text = JSON.stringify(soundClaims).replace(/"exp":\d+/, `"exp":${exp}`);
      expect(await reasonOf(await signed(keys.ec, text)), exp).toBe(reason);
    }
  });

  test("cannot reach a prototype", async () => {
    const claims = JSON.stringify({ ...soundClaims, sub: undefined });
    const text = claims.replace(/\}$/, ',"__proto__":{"sub":"admin"}}');
    expect(await reasonOf(await signed(keys.ec, text))).toBe("no_subject");
  });
});

describe("a token that names no key", () => {
  test("is verified by the only key that fits", async () => {
    expect(await reasonOf(await token(keys.ec, {}, { kid: undefined }))).toBe("proven");
  });

  test("is rejected if several keys fit, even if one of them signed it", async () => {
    const at = bench(setOf(keys.ec, await issuerKey("ES256", "ec2")));
    expect(await reasonFrom(at, await token(keys.ec, {}, { kid: undefined }))).toBe("unknown_key");
  });

  test("may be signed by a key without a name", async () => {
    const key = await issuerKey("EdDSA");
    expect(await reasonFrom(bench(setOf(key)), await token(key))).toBe("proven");
  });
});

describe("the form of a token", () => {
  const header = base64Url(JSON.stringify({ alg: "ES256", kid: "ec" }));

  test.each<[string, string, string]>([
    ["AA", "AQ", "AB"],
    ["AAA", "AAE", "AAF"],
    ["AAAAgg", "AAAAAg", "AAAAA-"],
    ["AAAAAA0", "AAAAAA8", "AAAAAA_"],
  ])("%s and %s are canonical, %s is not", async (one, another, third) => {
    const reason = (payload: string, signature: string) => reasonOf(`${header}.${payload}.${signature}`);
    expect(await reason(one, another)).toBe("bad_signature");
    expect(await reason(another, one)).toBe("bad_signature");
    expect(await reason(third, one)).toBe("malformed");
    expect(await reason(one, third)).toBe("malformed");
  });

  test("has at most 8 KiB", async () => {
    const start = `${header}.e30.`;
    const signature = "A".repeat(8 * 1024 - start.length - ((8 * 1024 - start.length) % 4));
    expect(await reasonOf(start + signature)).toBe("bad_signature");
    expect(await reasonOf(`${start + signature}AAAA`)).toBe("malformed");
  });
});

test.each([
  ["an issuer", { issuer: undefined }],
  ["an audience", { audience: undefined }],
  ["a key set's URL", { jwksUrl: undefined }],
])("without %s there is no verifier", (_, missing) => {
  const options = { issuer: ISSUER, audience: AUDIENCE, jwksUrl: ISSUER, fetch, now: () => 0 };
  expect(createJwtVerifier({ ...options, log: () => undefined, ...missing })).toBeUndefined();
});

describe("an accepted token", () => {
  test("is cached for 10 s, then verified again", async () => {
    const { check, advance, publish, background } = issuer();
    const text = await token(keys.ec, { exp: NOW_S + 100_000 });
    await check(text);
    advance(600_000);
    publish(setOf(keys.rsa));
    expect(await check(text)).toEqual(proven("jwt:alice"));
    await Promise.all(background);
    advance(9_999);
    expect(check(text)).toEqual(proven("jwt:alice"));
    advance(1);
    expect(await check(text)).toEqual(refused("unknown_key"));
  });

  test("is verified again if the clock was set back", async () => {
    const { check, advance } = issuer();
    const text = await token(keys.ec);
    expect(check(text)).toBeInstanceOf(Promise);
    await check(text);
    expect(check(text)).toEqual(proven("jwt:alice"));
    advance(-1);
    expect(check(text)).toBeInstanceOf(Promise);
  });

  test("is not cached beyond its expiry", async () => {
    const { check, advance } = issuer();
    const text = await token(keys.ec, { exp: NOW_S + 3 });
    await check(text);
    advance(2_999);
    expect(check(text)).toEqual(proven("jwt:alice"));
    advance(1);
    expect(check(text)).toBeInstanceOf(Promise);
    advance(5_000);
    expect(await check(text)).toEqual(refused("expired"));
  });

  test("proves nothing about another token, and rejections are not cached", async () => {
    const { check } = issuer();
    const text = await token(keys.ec);
    await check(text);
    const forged = text.replace(/\.[^.]*$/, `.${base64Url(new Uint8Array(64))}`);
    expect(await check(forged)).toEqual(refused("bad_signature"));
    expect(check(forged)).toBeInstanceOf(Promise);
    expect(check(text)).toEqual(proven("jwt:alice"));
  });
});

test("an issuer or an audience that differs by a slash at its end only is refused, and logged once", async () => {
  const lines: unknown[] = [];
  const at = issuer({ log: (entry) => void lines.push(entry) });
  const claims: readonly Claims[] = [
    { iss: ISSUER.slice(0, -1) },
    { aud: [`${AUDIENCE}/`] },
    { iss: "https://other.example" },
    { aud: "https://other.example" },
    { iss: ISSUER.slice(0, -1) },
  ];
  const reasons = [];
  for (const each of claims) reasons.push(await reasonFrom(at, await token(keys.ec, each)));
  expect(reasons).toEqual([
    "wrong_issuer",
    "wrong_audience",
    "wrong_issuer",
    "wrong_audience",
    "wrong_issuer",
  ]);
  expect(lines).toEqual([
    { level: "warn", message: expect.stringContaining("slash"), claim: "iss", configured: ISSUER },
    { level: "warn", message: expect.stringContaining("slash"), claim: "aud", configured: AUDIENCE },
  ]);
});
