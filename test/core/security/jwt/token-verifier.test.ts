import { exportSPKI, importJWK, SignJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import type { TokenAlgorithm } from "../../../../src/core/security/jwt/algorithms.ts";
import {
  createTokenVerifier,
  type TokenVerifierOptions,
} from "../../../../src/core/security/jwt/token-verifier.ts";
import {
  AUDIENCE,
  base64Url,
  bench,
  type Claims,
  ISSUER,
  type IssuerKey,
  issuerKey,
  NOW_S,
  setOf,
  soundClaims,
  token,
} from "./issuer.ts";

let ec: IssuerKey;
let rsa: IssuerKey;
let ed: IssuerKey;
let stranger: IssuerKey;

beforeAll(async () => {
  [ec, rsa, ed, stranger] = await Promise.all([
    issuerKey("ES256", "ec"),
    issuerKey("RS256", "rsa"),
    issuerKey("EdDSA", "ed"),
    issuerKey("ES256", "ec"),
  ]);
});

const issuer = (options?: Partial<TokenVerifierOptions>) => bench(setOf(ec, rsa, ed), options);
const reasonOf = async (text: string, options?: Partial<TokenVerifierOptions>): Promise<unknown> => {
  const verdict = await issuer(options).verify(text);
  return verdict.ok === false ? verdict.reason : verdict.ok;
};
const parts = (text: string): [string, string, string] => {
  const [header = "", payload = "", signature = ""] = text.split(".");
  return [header, payload, signature];
};
/** Changed in a character all of whose bits count. */
const changed = (part: string): string => part.replace(/^./, (first) => (first === "A" ? "B" : "A"));

describe("a sound token", () => {
  test.each<[TokenAlgorithm, () => IssuerKey]>([
    ["ES256", () => ec],
    ["RS256", () => rsa],
    ["EdDSA", () => ed],
  ])("signed with %s proves its principal", async (_, key) => {
    expect(await issuer().verify(await token(key()))).toEqual({
      ok: true,
      principal: { id: "jwt:alice", scopes: ["orders:read", "orders:write"] },
      expiresAtMs: (NOW_S + 300) * 1_000,
    });
  });

  test("signed with PS256 does so where that is taken", async () => {
    const key = await issuerKey("PS256", "ps");
    const text = await token(key);
    expect((await bench(setOf(key), { algorithms: ["PS256"] }).verify(text)).ok).toBe(true);
    expect((await bench(setOf(key)).verify(text)).ok).toBe(false);
  });

  test.each<[string, Claims]>([
    ["an audience among others", { aud: ["https://other.example", AUDIENCE] }],
    ["an expiry a moment ago, within the tolerance", { exp: NOW_S - 4 }],
    ["a beginning a moment ahead, within the tolerance", { nbf: NOW_S + 5 }],
    ["an issue in the future", { iat: NOW_S + 3_600 }],
    ["an issue that is none", { iat: "now" }],
    ["an expiry with a fraction", { exp: NOW_S + 0.5 }],
    ["an unknown claim", { admin: true }],
    ["no scopes", { scope: undefined }],
  ])("may have %s", async (_, claims) => {
    expect(await reasonOf(await token(ec, claims))).toBe(true);
  });

  test.each(["JWT", "jwt", "at+jwt", "application/at+jwt"])("may say that it is %s", async (typ) => {
    expect(await reasonOf(await token(ec, {}, { typ }))).toBe(true);
  });

  test("has a principal whose name begins as it was set", async () => {
    const verdict = await issuer({ principalPrefix: "staff/" }).verify(await token(ec));
    expect(verdict).toMatchObject({ principal: { id: "staff/alice" } });
  });
});

describe("what a token says", () => {
  test.each<[string, Claims, string]>([
    ["another issuer", { iss: "https://evil.example/" }, "wrong_issuer"],
    ["an issuer that begins alike", { iss: `${ISSUER}x` }, "wrong_issuer"],
    ["an issuer in a list", { iss: [ISSUER] }, "wrong_issuer"],
    ["no issuer", { iss: undefined }, "wrong_issuer"],
    ["another audience", { aud: "https://other.example" }, "wrong_audience"],
    ["other audiences", { aud: ["https://other.example", "x"] }, "wrong_audience"],
    ["an audience that begins alike", { aud: `${AUDIENCE}/` }, "wrong_audience"],
    ["audiences in a list in a list", { aud: [[AUDIENCE]] }, "wrong_audience"],
    ["no audiences", { aud: [] }, "wrong_audience"],
    ["no audience", { aud: undefined }, "wrong_audience"],
    ["no expiry", { exp: undefined }, "no_expiry"],
    ["an expiry that is text", { exp: `${NOW_S + 300}` }, "no_expiry"],
    ["an expiry that is nothing", { exp: null }, "no_expiry"],
    ["an expiry in the past", { exp: NOW_S - 3_600 }, "expired"],
    ["an expiry at the tolerance's end", { exp: NOW_S - 5 }, "expired"],
    ["an expiry before all times", { exp: -1 }, "expired"],
    ["a beginning in the future", { nbf: NOW_S + 6 }, "not_yet_valid"],
    ["a beginning that is text", { nbf: "now" }, "malformed"],
    ["no subject", { sub: undefined }, "no_subject"],
    ["a subject that is a number", { sub: 7 }, "no_subject"],
    ["a subject that is an object", { sub: { toString: "alice" } }, "no_subject"],
    ["an empty subject", { sub: "" }, "no_subject"],
    ["a subject that is too long", { sub: "a".repeat(197) }, "no_subject"],
    ["half a character for a subject", { sub: "\ud800" }, "no_subject"],
    ["a subject with a NUL", { sub: "alice\0" }, "no_subject"],
    ["a subject with a line break", { sub: "alice\nbob" }, "no_subject"],
  ])("is refused for %s", async (_, claims, reason) => {
    expect(await reasonOf(await token(ec, claims))).toBe(reason);
  });

  test("names a subject of any script, up to 200 characters with what stands before it", async () => {
    for (const sub of ["a".repeat(196), "アリス", "🌊", "a|b@c.example"]) {
      const verdict = await issuer().verify(await token(ec, { sub }));
      expect(verdict).toMatchObject({ ok: true, principal: { id: `jwt:${sub}` } });
    }
  });

  /** Signed as it is written. */
  const signed = async (payload: string | Uint8Array): Promise<string> => {
    const input = `${base64Url(JSON.stringify({ alg: "ES256", kid: "ec" }))}.${base64Url(payload)}`;
    const signature = await crypto.subtle.sign(
      { name: "ECDSA", hash: "SHA-256" },
      ec.privateKey,
      new TextEncoder().encode(input),
    );
    return `${input}.${base64Url(new Uint8Array(signature))}`;
  };

  test.each<[string, string | Uint8Array]>([
    ["no JSON", "alice"],
    ["an array", "[]"],
    ["nothing", "null"],
    ["JSON with more behind it", `${JSON.stringify(soundClaims)}{}`],
    ["no UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d)],
  ])("is malformed where it is %s, though it was signed", async (_, payload) => {
    expect(await reasonOf(await signed(payload))).toBe("malformed");
  });

  test("counts as it says last where it says something twice", async () => {
    const twice = (name: string, value: unknown): string =>
      JSON.stringify(soundClaims).replace(/\}$/, `,${JSON.stringify(name)}:${JSON.stringify(value)}}`);
    const verdict = await issuer().verify(await signed(twice("sub", "bob")));
    expect(verdict).toMatchObject({ principal: { id: "jwt:bob" } });
    expect(await reasonOf(await signed(twice("exp", 1)))).toBe("expired");
    expect(await reasonOf(await signed(twice("aud", "x")))).toBe("wrong_audience");
  });

  test("ends, even where its end is beyond all numbers", async () => {
    const endless = JSON.stringify(soundClaims).replace(/"exp":\d+/, '"exp":1e999');
    expect(await reasonOf(await signed(endless))).toBe("no_expiry");
  });

  test("cannot reach the prototype of anything", async () => {
    const text = JSON.stringify({ ...soundClaims, sub: undefined }).replace(
      /\}$/,
      ',"__proto__":{"sub":"admin"}}',
    );
    expect(await reasonOf(await signed(text))).toBe("no_subject");
  });
});

describe("a forged token", () => {
  test("that says that it is not signed is of no algorithm that is taken", async () => {
    const [, payload, signature] = parts(await token(ec));
    for (const alg of ["none", "None", "NONE", "nOnE", "", null]) {
      const header = base64Url(JSON.stringify({ alg, kid: "ec" }));
      expect(await reasonOf(`${header}.${payload}.`)).toBe("unsupported_algorithm");
      expect(await reasonOf(`${header}.${payload}.${signature}`)).toBe("unsupported_algorithm");
    }
  });

  test("that is signed with a public key as the secret is of no algorithm that is taken", async () => {
    for (const { jwk, algorithm } of [ec, rsa]) {
      const publicKey = await importJWK(jwk, algorithm);
      if (publicKey instanceof Uint8Array) throw new Error("no public key");
      const secrets = [await exportSPKI(publicKey), JSON.stringify(jwk), `${jwk.n ?? jwk.x}`];
      for (const secret of secrets) {
        const text = await new SignJWT(soundClaims)
          .setProtectedHeader({ alg: "HS256", kid: `${jwk.kid}` })
          .sign(new TextEncoder().encode(secret));
        expect(await reasonOf(text)).toBe("unsupported_algorithm");
      }
    }
  });

  test("whose algorithm is another kind of key's than the one that it names finds no key", async () => {
    expect(await reasonOf(await token(ec, {}, { kid: "rsa" }))).toBe("unknown_key");
    expect(await reasonOf(await token(rsa, {}, { kid: "ec" }))).toBe("unknown_key");
    expect(await reasonOf(await token(ed, {}, { kid: "ec" }))).toBe("unknown_key");
  });

  test("whose algorithm is not pinned is refused though the key has signed it", async () => {
    expect(await reasonOf(await token(rsa), { algorithms: ["ES256"] })).toBe("unsupported_algorithm");
  });

  test("is not believed where a stranger has signed it in a known key's name", async () => {
    expect(await reasonOf(await token(stranger))).toBe("bad_signature");
  });

  test.each(["jwk", "jku", "x5u", "x5c"])("brings no key of its own: %s is not looked at", async (name) => {
    const own: Record<string, unknown> = {
      jwk: stranger.jwk,
      jku: "https://evil.example/jwks.json",
      x5u: "https://evil.example/certificate",
      x5c: ["AAAA"],
    };
    const { verify, fetches } = issuer();
    for (const kid of ["ec", undefined]) {
      const verdict = await verify(await token(stranger, {}, { [name]: own[name], kid }));
      expect(verdict).toEqual({ ok: false, reason: "bad_signature" });
    }
    expect((await verify(await token(ec, {}, { [name]: own[name] }))).ok).toBe(true);
    expect(fetches()).toBe(1);
  });

  test("whose parts were changed or exchanged has no signature", async () => {
    const [header, payload, signature] = parts(await token(ec));
    const [, otherPayload, otherSignature] = parts(await token(ec, { sub: "bob" }));
    const forged = [
      `${header}.${otherPayload}.${signature}`,
      `${header}.${payload}.${otherSignature}`,
      `${header}.${payload}.${changed(signature)}`,
      `${header}.${payload}.`,
      `${header}.${payload}.${signature.slice(0, -1)}`,
      `${header}.${payload}.${signature.slice(0, -4)}`,
      `${header}.${payload}.${signature}AAAA`,
      `${header}.${payload}.${base64Url(new Uint8Array(64))}`,
      `${base64Url(JSON.stringify({ kid: "ec", alg: "ES256" }))}.${payload}.${signature}`,
      `${header}.${base64Url(JSON.stringify({ ...soundClaims, sub: "admin" }))}.${signature}`,
    ];
    for (const text of forged) expect(await reasonOf(text), text).toBe("bad_signature");
  });

  test("that is no token is malformed", async () => {
    const text = await token(ec);
    const [header, payload, signature] = parts(text);
    const forged = [
      "",
      ".",
      "..",
      `${header}.${payload}`,
      `${header}${payload}${signature}`,
      `.${payload}.${signature}`,
      `${header}..${signature}`,
      `${text}.`,
      `${text}.${signature}`,
      `${text}.AA.AA`,
      `${header}.${payload}.${signature}=`,
      ` ${text}`,
      `${text}\n`,
      changed(text),
      `${base64Url("{")}.${payload}.${signature}`,
      `${base64Url("null")}.${payload}.${signature}`,
      text.padEnd(8 * 1024 + 1, "A"),
      "a.".repeat(50_000),
    ];
    for (const each of forged) expect(await reasonOf(each), each.slice(0, 80)).toBe("malformed");
  });

  test.each<[string, Record<string, unknown>]>([
    ["a critical extension", { crit: ["b64"], b64: true }],
    ["another type", { typ: "logout+jwt" }],
    ["a key's name that is a number", { kid: 7 }],
  ])("with %s in its header is malformed", async (_, header) => {
    expect(await reasonOf(await token(ec, {}, header))).toBe("malformed");
  });

  test("that is malformed or of another algorithm costs no fetch", async () => {
    const { verify, fetches } = issuer();
    await verify("a.b.c");
    await verify(`${base64Url('{"alg":"none"}')}.e30.`);
    expect(fetches()).toBe(0);
  });
});

describe("a token that names no key", () => {
  test("is proven by the only one that fits", async () => {
    expect(await reasonOf(await token(ec, {}, { kid: undefined }))).toBe(true);
  });

  test("is proven by none where several fit, though one of them has signed it", async () => {
    const { verify } = bench(setOf(ec, await issuerKey("ES256", "ec2")));
    expect(await verify(await token(ec, {}, { kid: undefined }))).toEqual({
      ok: false,
      reason: "unknown_key",
    });
  });

  test("may be of a key without a name", async () => {
    const key = await issuerKey("EdDSA");
    expect((await bench(setOf(key)).verify(await token(key))).ok).toBe(true);
  });
});

test.each<[string, Partial<TokenVerifierOptions>]>([
  ["no issuer", { issuer: "" }],
  ["no audience", { audience: "" }],
  ["no algorithm", { algorithms: [] }],
  ["a fetch without an end", { fetchTimeoutMs: Number.POSITIVE_INFINITY }],
  ["no time between fetches", { refetchMs: 0 }],
  ["a negative age", { maxAgeMs: -1 }],
  ["a negative tolerance", { clockToleranceS: -1 }],
])("%s is a mistake that is told at once", (_, options) => {
  const sound = { issuer: ISSUER, audience: AUDIENCE, fetchKeys: async () => ({}), now: () => 0 };
  expect(() => createTokenVerifier({ ...sound, pause: async () => undefined, ...options })).toThrow(
    RangeError,
  );
});
