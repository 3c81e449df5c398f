import fc from "fast-check";
import { exportSPKI, importJWK, SignJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import type { TokenAlgorithm } from "../../../../src/middleware/auth/jwt/algorithms.ts";
import type { TokenVerifierOptions } from "../../../../src/middleware/auth/jwt/token-verifier.ts";
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
  return verdict.kind === "refused" ? verdict.reason : verdict.kind;
};
const parts = (text: string): [string, string, string] => {
  const [header = "", payload = "", signature = ""] = text.split(".");
  return [header, payload, signature];
};
/** As the JSON serialization has it (RFC 7515 §7.2.2). */
const flattened = (text: string): object => {
  const [header, payload, signature] = parts(text);
  return { protected: header, payload, signature };
};
const bytesOf = (part: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
/** Changed in a character all of whose bits count. */
const changed = (part: string): string => part.replace(/^./, (first) => (first === "A" ? "B" : "A"));

/** Signed as it is written, with ES256. */
const signed = async (
  payload: string | Uint8Array,
  header = JSON.stringify({ alg: "ES256", kid: "ec" }),
): Promise<string> => {
  const input = `${base64Url(header)}.${base64Url(payload)}`;
  const signature = await crypto.subtle.sign(
    { name: "ECDSA", hash: "SHA-256" },
    ec.privateKey,
    new TextEncoder().encode(input),
  );
  return `${input}.${base64Url(new Uint8Array(signature))}`;
};

describe("a sound token", () => {
  test.each<[TokenAlgorithm, () => IssuerKey]>([
    ["ES256", () => ec],
    ["RS256", () => rsa],
    ["EdDSA", () => ed],
    ["Ed25519", () => ({ ...ed, algorithm: "Ed25519" })],
  ])("signed with %s proves its principal", async (_, key) => {
    expect(await issuer().verify(await token(key()))).toEqual({
      kind: "proven",
      principal: { id: "jwt:alice", scopes: ["orders:read", "orders:write"] },
      expiresAtMs: (NOW_S + 300) * 1_000,
    });
  });

  test("of Ed25519 is so by either name of the algorithm, whichever the key is said to be for", async () => {
    for (const alg of ["EdDSA", "Ed25519", undefined])
      for (const algorithm of ["EdDSA", "Ed25519"] as const) {
        const key: IssuerKey = { ...ed, algorithm, jwk: alg === undefined ? ed.jwk : { ...ed.jwk, alg } };
        const text = await token(key);
        expect((await bench(setOf(key)).verify(text)).kind, `${alg} ${algorithm}`).toBe("proven");
        const withoutName = await token(key, {}, { kid: undefined });
        expect((await bench(setOf(key)).verify(withoutName)).kind).toBe("proven");
      }
  });

  test("of Ed25519 is so by that name of the algorithm alone that is taken", async () => {
    const text = await token({ ...ed, algorithm: "Ed25519" });
    expect(await reasonOf(text, { algorithms: ["EdDSA"] })).toBe("unsupported_algorithm");
    expect(await reasonOf(await token(ed), { algorithms: ["Ed25519"] })).toBe("unsupported_algorithm");
  });

  test("signed with PS256 does so where that is taken", async () => {
    const key = await issuerKey("PS256", "ps");
    const text = await token(key);
    expect((await bench(setOf(key), { algorithms: ["PS256"] }).verify(text)).kind).toBe("proven");
    expect((await bench(setOf(key)).verify(text)).kind).toBe("refused");
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
    expect(await reasonOf(await token(ec, claims))).toBe("proven");
  });

  test.each(["JWT", "jwt", "at+jwt", "application/at+jwt"])("may say that it is %s", async (typ) => {
    expect(await reasonOf(await token(ec, {}, { typ }))).toBe("proven");
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
    ["an issuer that is written another way", { iss: ISSUER.toUpperCase() }, "wrong_issuer"],
    ["an issuer that is an object", { iss: { toString: ISSUER } }, "wrong_issuer"],
    ["another audience", { aud: "https://other.example" }, "wrong_audience"],
    ["other audiences", { aud: ["https://other.example", "x"] }, "wrong_audience"],
    ["an audience that begins alike", { aud: `${AUDIENCE}/` }, "wrong_audience"],
    ["audiences in a list in a list", { aud: [[AUDIENCE]] }, "wrong_audience"],
    ["audiences in an object", { aud: { 0: AUDIENCE, length: 1, includes: true } }, "wrong_audience"],
    ["audiences in a text", { aud: `https://other.example ${AUDIENCE}` }, "wrong_audience"],
    ["an audience that is a number", { aud: 0 }, "wrong_audience"],
    ["an audience that is nothing", { aud: null }, "wrong_audience"],
    ["no audiences", { aud: [] }, "wrong_audience"],
    ["no audience", { aud: undefined }, "wrong_audience"],
    ["no expiry", { exp: undefined }, "no_expiry"],
    ["an expiry that is text", { exp: `${NOW_S + 300}` }, "no_expiry"],
    ["an expiry that is nothing", { exp: null }, "no_expiry"],
    ["an expiry that is true", { exp: true }, "no_expiry"],
    ["an expiry in a list", { exp: [NOW_S + 300] }, "no_expiry"],
    ["an expiry in an object", { exp: { valueOf: NOW_S + 300 } }, "no_expiry"],
    ["an expiry that is no number of milliseconds", { exp: 1e306 }, "no_expiry"],
    ["an expiry in the past", { exp: NOW_S - 3_600 }, "expired"],
    ["an expiry at the tolerance's end", { exp: NOW_S - 5 }, "expired"],
    ["an expiry before all times", { exp: -1 }, "expired"],
    ["a beginning in the future", { nbf: NOW_S + 6 }, "not_yet_valid"],
    ["a beginning beyond all milliseconds", { nbf: 1e306 }, "not_yet_valid"],
    ["a beginning that is text", { nbf: "now" }, "malformed"],
    ["a beginning that is nothing", { nbf: null }, "malformed"],
    ["a beginning in a list", { nbf: [0] }, "malformed"],
    ["no subject", { sub: undefined }, "no_subject"],
    ["a subject that is a number", { sub: 7 }, "no_subject"],
    ["a subject that is an object", { sub: { toString: "alice" } }, "no_subject"],
    ["a subject in a list", { sub: ["alice"] }, "no_subject"],
    ["an empty subject", { sub: "" }, "no_subject"],
    ["a subject that is too long", { sub: "a".repeat(197) }, "no_subject"],
    ["half a character for a subject", { sub: "\ud800" }, "no_subject"],
    ["a subject with a NUL", { sub: "alice\0" }, "no_subject"],
    ["a subject with a line break", { sub: "alice\nbob" }, "no_subject"],
    ["a subject with a control of the second half", { sub: "alice\u0085" }, "no_subject"],
  ])("is refused for %s", async (_, claims, reason) => {
    expect(await reasonOf(await token(ec, claims))).toBe(reason);
  });

  test("names a subject of any script, up to 200 characters with what stands before it", async () => {
    for (const sub of ["a".repeat(196), "アリス", "🌊", "a|b@c.example"]) {
      const verdict = await issuer().verify(await token(ec, { sub }));
      expect(verdict).toMatchObject({ kind: "proven", principal: { id: `jwt:${sub}` } });
    }
  });

  test.each<[string, string | Uint8Array]>([
    ["no JSON", "alice"],
    ["an array", "[]"],
    ["nothing", "null"],
    ["JSON with more behind it", `${JSON.stringify(soundClaims)}{}`],
    ["no UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d)],
    ["another token", "eyJhbGciOiJub25lIn0.e30."],
    ["deep", `${"[".repeat(3_000)}${"]".repeat(3_000)}`],
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
    for (const exp of ["1e400", "-1e400", "1e999"]) {
      const endless = JSON.stringify(soundClaims).replace(/"exp":\d+/, `"exp":${exp}`);
      expect(await reasonOf(await signed(endless)), exp).toBe("no_expiry");
    }
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
    for (const { jwk, algorithm } of [ec, rsa, ed]) {
      const publicKey = await importJWK(jwk, algorithm);
      if (publicKey instanceof Uint8Array) throw new Error("no public key");
      const secrets = [await exportSPKI(publicKey), JSON.stringify(jwk), `${jwk.n ?? jwk.x}`];
      for (const secret of secrets) {
        // A secret is at least as long as the hash.
        const bytes = new TextEncoder().encode(secret.padEnd(64, "\0"));
        for (const alg of ["HS256", "HS384", "HS512"]) {
          const text = await new SignJWT(soundClaims)
            .setProtectedHeader({ alg, kid: `${jwk.kid}` })
            .sign(bytes);
          expect(await reasonOf(text)).toBe("unsupported_algorithm");
        }
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
      expect(verdict).toEqual({ kind: "refused", reason: "bad_signature" });
    }
    expect((await verify(await token(ec, {}, { [name]: own[name] }))).kind).toBe("proven");
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
      `${header}.${payload}.${signature.slice(0, -2)}`,
      `${header}.${payload}.${signature.slice(4)}`,
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

  test.each<[string, (text: string) => string]>([
    ["a space in its header", (text) => text.replace(".", " .")],
    ["a line break in its payload", (text) => text.replace(".", ".\r\n")],
    ["a tab in its signature", (text) => text.replace(/.{4}$/, "\t$&")],
    ["a space behind it", (text) => `${text} `],
    ["a no-break space behind it", (text) => `${text}\u00a0`],
    ["a NUL behind it", (text) => `${text}\0`],
    ["padding in its header", (text) => text.replace(".", "=.")],
    ["padding in its payload", (text) => text.replace(/\.([^.]*)$/, "=.$1")],
    ["padding in its signature", (text) => `${text}==`],
    ["the other alphabet's letters", (text) => text.replace(/[^.]*$/, (part) => `+/${part.slice(2)}`)],
    ["dots that look alike", (text) => text.replaceAll(".", "\u2024")],
    ["dots in percent-encoding", (text) => text.replaceAll(".", "%2E")],
    ["another token behind a comma", (text) => `${text},${text}`],
    ["its scheme before it", (text) => `Bearer ${text}`],
    ["a payload that is elsewhere", (text) => text.replace(/\..*\./, "..")],
    ["five segments, as an encrypted one has", (text) => text.replace(".", ".AA.AA.")],
    ["the JSON serialization's form", (text) => JSON.stringify(flattened(text))],
    ["a megabyte before it", (text) => "A".repeat(1 << 20) + text],
    ["a megabyte behind it", (text) => text + "A".repeat(1 << 20)],
  ])("with %s is malformed, though it is signed", async (_, forge) => {
    const text = await token(ec);
    expect(await reasonOf(text)).toBe("proven");
    expect(await reasonOf(forge(text))).toBe("malformed");
  });

  test("whose signature is written in another way than encoders write it is malformed", async () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (const key of [ec, ed]) {
      const text = await token(key);
      const last = alphabet.indexOf(text.slice(-1));
      // 64 bytes leave four bits of the last character without a meaning.
      for (let bits = 1; bits < 16; bits += 1) {
        const same = text.slice(0, -1) + alphabet.charAt(last + bits);
        expect(await reasonOf(same), same).toBe("malformed");
      }
    }
  });

  test("whose payload is not encoded is malformed, whether it says that this is critical or not", async () => {
    for (const crit of [["b64"], undefined]) {
      const header = base64Url(JSON.stringify({ alg: "ES256", kid: "ec", b64: false, crit }));
      for (const payload of [base64Url(JSON.stringify(soundClaims)), JSON.stringify(soundClaims)]) {
        const input = new TextEncoder().encode(`${header}.${payload}`);
        const by = { name: "ECDSA", hash: "SHA-256" };
        const signature = new Uint8Array(await crypto.subtle.sign(by, ec.privateKey, input));
        expect(await reasonOf(`${header}.${payload}.${base64Url(signature)}`)).toBe("malformed");
      }
    }
  });

  test.each([
    '"es256"',
    '"ES256 "',
    '" ES256"',
    '"ES256\\u0000"',
    '"ES384"',
    '"ES256K"',
    '"Ed448"',
    '"ed25519"',
    '"RS512"',
    '"PS256"',
    '"RSA-OAEP"',
    '"dir"',
    '"__proto__"',
    '"constructor"',
    '["ES256"]',
    '{"toString":"ES256"}',
    "256",
    "true",
    '"ES256","alg":"none"',
    `${"[".repeat(2_000)}${"]".repeat(2_000)}`,
  ])("of the algorithm %s is of none that is taken, though it is signed", async (alg) => {
    const { verify, fetches } = issuer();
    const text = await signed(JSON.stringify(soundClaims), `{"kid":"ec","alg":${alg}}`);
    expect(await verify(text)).toEqual({ kind: "refused", reason: "unsupported_algorithm" });
    expect(fetches()).toBe(0);
  });

  test.each([
    "",
    "EC",
    " ec",
    "ec ",
    "ec\0",
    "e\u0301c",
    "../ec",
    "../../../../dev/null",
    "ec' OR '1'='1",
    "ec\r\nx: y",
    "$(ec)",
    "https://evil.example/jwks.json#ec",
    "__proto__",
    "constructor",
    "0",
    "*",
    "k".repeat(5_000),
  ])("that names the key %j finds none, though it is signed", async (kid) => {
    const text = await signed(JSON.stringify(soundClaims), JSON.stringify({ alg: "ES256", kid }));
    expect(await reasonOf(text)).toBe("unknown_key");
  });

  test("that says twice what key it is of is of the last one", async () => {
    const twice = (one: string, other: string) =>
      signed(JSON.stringify(soundClaims), `{"alg":"ES256","kid":"${one}","kid":"${other}"}`);
    expect(await reasonOf(await twice("rsa", "ec"))).toBe("proven");
    expect(await reasonOf(await twice("ec", "rsa"))).toBe("unknown_key");
  });

  test("whose signature has a number beyond the curve's order is not signed (RFC 8032 §5.1.7)", async () => {
    const [header, payload, signature] = parts(await token(ed));
    const bytes = bytesOf(signature);
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const scalar = bytes.subarray(32).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n) + order;
    const same = bytes.map((byte, at) =>
      at < 32 ? byte : Number((scalar >> BigInt(8 * (at - 32))) & 0xffn),
    );
    expect(await reasonOf(`${header}.${payload}.${base64Url(same)}`)).toBe("bad_signature");
  });

  test("whose signature is in DER, as other formats have it, is not signed", async () => {
    const [header, payload, signature] = parts(await token(ec));
    const bytes = bytesOf(signature);
    // A zero before each keeps it positive.
    const integer = (part: Uint8Array) => [0x02, part.length + 1, 0, ...part];
    const content = [...integer(bytes.subarray(0, 32)), ...integer(bytes.subarray(32))];
    const der = Uint8Array.of(0x30, content.length, ...content);
    expect(await reasonOf(`${header}.${payload}.${base64Url(der)}`)).toBe("bad_signature");
  });

  test("that a key has signed in one way is not signed in another", async () => {
    const both = { algorithms: ["RS256", "PS256"] } as const;
    const input = (await token(rsa, {}, { alg: "RS256" })).split(".").slice(1);
    const renamed = [base64Url(JSON.stringify({ alg: "PS256", kid: "rsa" })), ...input].join(".");
    expect(await reasonOf(renamed, both)).toBe("bad_signature");
    const [, payload] = input;
    const header = base64Url(JSON.stringify({ alg: "PS256", kid: "rsa" }));
    const signature = await crypto.subtle.sign(
      "RSASSA-PKCS1-v1_5",
      rsa.privateKey,
      new TextEncoder().encode(`${header}.${payload}`),
    );
    const text = `${header}.${payload}.${base64Url(new Uint8Array(signature))}`;
    expect(await reasonOf(text, both)).toBe("bad_signature");
  });

  test("is never believed, and never makes the verification fail, whatever it is", async () => {
    const { verify, fetches } = issuer();
    const segment = fc.oneof(
      fc.json().map(base64Url),
      fc
        .record({ alg: fc.constantFrom("ES256", "EdDSA", "none"), kid: fc.jsonValue() })
        .map((header) => base64Url(JSON.stringify(header))),
      fc.uint8Array({ maxLength: 64 }).map(base64Url),
      fc.string({ unit: "binary" }),
    );
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(segment, { minLength: 2, maxLength: 5 }).map((segments) => segments.join(".")),
    );
    await fc.assert(
      fc.asyncProperty(text, async (each) => {
        expect((await verify(each)).kind).toBe("refused");
      }),
    );
    expect(fetches()).toBeLessThanOrEqual(1);
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
    expect(await reasonOf(await token(ec, {}, { kid: undefined }))).toBe("proven");
  });

  test("is proven by none where several fit, though one of them has signed it", async () => {
    const { verify } = bench(setOf(ec, await issuerKey("ES256", "ec2")));
    expect(await verify(await token(ec, {}, { kid: undefined }))).toEqual({
      kind: "refused",
      reason: "unknown_key",
    });
  });

  test("may be of a key without a name", async () => {
    const key = await issuerKey("EdDSA");
    expect((await bench(setOf(key)).verify(await token(key))).kind).toBe("proven");
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
  ["a tolerance without an end", { clockToleranceS: Number.POSITIVE_INFINITY }],
])("%s is a mistake that is told at once", (_, options) => {
  expect(() => bench(setOf(), options)).toThrow(RangeError);
});
