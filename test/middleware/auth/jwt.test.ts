import fc from "fast-check";
import { exportSPKI, importJWK, SignJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import {
  createJwtVerifier,
  type JwtAlgorithm,
  type JwtVerifierOptions,
} from "../../../src/middleware/auth/jwt.ts";
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

const proven = (id: string) => ({
  kind: "proven",
  identity: { auth: "jwt", principal: { id, scopes: ["orders:read", "orders:write"] } },
});
const refused = (reason: string) => ({ kind: "refused", reason, user: "anonymous" });

const issuer = (options?: Partial<JwtVerifierOptions>) => bench(setOf(ec, rsa, ed), options);
const reasonOf = async (text: string, options?: Partial<JwtVerifierOptions>): Promise<unknown> => {
  const result = await issuer(options).verify(text);
  return result.kind === "refused" ? result.reason : result.kind;
};
const parts = (text: string): [string, string, string] => {
  const [header = "", payload = "", signature = ""] = text.split(".");
  return [header, payload, signature];
};
/** The JSON serialization (RFC 7515 §7.2.2). */
const flattened = (text: string): object => {
  const [header, payload, signature] = parts(text);
  return { protected: header, payload, signature };
};
const bytesOf = (part: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
/** Changes a character without unused bits. */
const changed = (part: string): string => part.replace(/^./, (first) => (first === "A" ? "B" : "A"));

/** Signs the text as it is, with ES256. */
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

describe("a valid token", () => {
  test.each<[JwtAlgorithm, () => IssuerKey]>([
    ["ES256", () => ec],
    ["RS256", () => rsa],
    ["EdDSA", () => ed],
    ["Ed25519", () => ({ ...ed, algorithm: "Ed25519" })],
  ])("signed with %s proves its principal", async (_, key) => {
    expect(await issuer().verify(await token(key()))).toEqual(proven("jwt:alice"));
  });

  test("of Ed25519 may use either name of the algorithm, if its key names none or the same", async () => {
    for (const algorithm of ["EdDSA", "Ed25519"] as const)
      for (const alg of [algorithm, undefined]) {
        const key: IssuerKey = { ...ed, algorithm, jwk: alg === undefined ? ed.jwk : { ...ed.jwk, alg } };
        const { verify } = bench(setOf(key));
        expect((await verify(await token(key))).kind, `${alg} ${algorithm}`).toBe("proven");
        expect((await verify(await token(key, {}, { kid: undefined }))).kind).toBe("proven");
      }
  });

  test("of Ed25519 needs a name of the algorithm that is accepted", async () => {
    const text = await token({ ...ed, algorithm: "Ed25519" });
    expect(await reasonOf(text, { algorithms: ["EdDSA"] })).toBe("unsupported_algorithm");
    expect(await reasonOf(await token(ed), { algorithms: ["Ed25519"] })).toBe("unsupported_algorithm");
  });

  test("signed with PS256 is accepted only if configured", async () => {
    const key = await issuerKey("PS256", "ps");
    const text = await token(key);
    expect((await bench(setOf(key), { algorithms: ["PS256"] }).verify(text)).kind).toBe("proven");
    expect((await bench(setOf(key)).verify(text)).kind).toBe("refused");
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
    expect(await reasonOf(await token(ec, claims))).toBe("proven");
  });

  test.each(["JWT", "jwt", "at+jwt", "application/at+jwt"])("may have the type %s", async (typ) => {
    expect(await reasonOf(await token(ec, {}, { typ }))).toBe("proven");
  });
});

describe("a token's claims", () => {
  test.each<[string, Claims, string]>([
    ["another issuer", { iss: "https://evil.example/" }, "wrong_issuer"],
    ["an issuer with more behind it", { iss: `${ISSUER}x` }, "wrong_issuer"],
    ["an issuer in a list", { iss: [ISSUER] }, "wrong_issuer"],
    ["no issuer", { iss: undefined }, "wrong_issuer"],
    ["an issuer in another case", { iss: ISSUER.toUpperCase() }, "wrong_issuer"],
    ["an issuer that is an object", { iss: { toString: ISSUER } }, "wrong_issuer"],
    ["another audience", { aud: "https://other.example" }, "wrong_audience"],
    ["other audiences", { aud: ["https://other.example", "x"] }, "wrong_audience"],
    ["an audience with more behind it", { aud: `${AUDIENCE}/` }, "wrong_audience"],
    ["audiences in a list in a list", { aud: [[AUDIENCE]] }, "wrong_audience"],
    ["audiences in an object", { aud: { 0: AUDIENCE, length: 1, includes: true } }, "wrong_audience"],
    ["audiences in one string", { aud: `https://other.example ${AUDIENCE}` }, "wrong_audience"],
    ["an audience that is a number", { aud: 0 }, "wrong_audience"],
    ["an audience that is null", { aud: null }, "wrong_audience"],
    ["no audiences", { aud: [] }, "wrong_audience"],
    ["no audience", { aud: undefined }, "wrong_audience"],
    ["no expiry", { exp: undefined }, "no_expiry"],
    ["an expiry that is a string", { exp: `${NOW_S + 300}` }, "no_expiry"],
    ["an expiry that is null", { exp: null }, "no_expiry"],
    ["an expiry that is true", { exp: true }, "no_expiry"],
    ["an expiry in a list", { exp: [NOW_S + 300] }, "no_expiry"],
    ["an expiry in an object", { exp: { valueOf: NOW_S + 300 } }, "no_expiry"],
    ["an expiry too large for milliseconds", { exp: 1e306 }, "no_expiry"],
    ["an expiry in the past", { exp: NOW_S - 3_600 }, "expired"],
    ["an expiry at the end of the tolerance", { exp: NOW_S - 5 }, "expired"],
    ["an expiry before the epoch", { exp: -1 }, "expired"],
    ["a start in the future", { nbf: NOW_S + 6 }, "not_yet_valid"],
    ["a start too large for milliseconds", { nbf: 1e306 }, "not_yet_valid"],
    ["a start that is a string", { nbf: "now" }, "malformed"],
    ["a start that is null", { nbf: null }, "malformed"],
    ["a start in a list", { nbf: [0] }, "malformed"],
    ["an issue time that is a string", { iat: "now" }, "malformed"],
    ["no subject", { sub: undefined }, "no_subject"],
    ["a subject that is a number", { sub: 7 }, "no_subject"],
    ["a subject that is an object", { sub: { toString: "alice" } }, "no_subject"],
    ["a subject in a list", { sub: ["alice"] }, "no_subject"],
    ["an empty subject", { sub: "" }, "no_subject"],
    ["a subject that is too long", { sub: "a".repeat(197) }, "no_subject"],
    ["a lone surrogate as subject", { sub: "\ud800" }, "no_subject"],
    ["a subject with a NUL", { sub: "alice\0" }, "no_subject"],
    ["a subject with a line break", { sub: "alice\nbob" }, "no_subject"],
    ["a subject with a C1 control", { sub: "alice\u0085" }, "no_subject"],
  ])("are rejected for %s", async (_, claims, reason) => {
    expect(await reasonOf(await token(ec, claims))).toBe(reason);
  });

  test("may name a subject in any script, up to 200 characters with the prefix", async () => {
    for (const sub of ["a".repeat(196), "アリス", "🌊", "a|b@c.example"]) {
      expect(await issuer().verify(await token(ec, { sub }))).toEqual(proven(`jwt:${sub}`));
    }
  });

  test.each<[string, string | Uint8Array]>([
    ["not JSON", "alice"],
    ["an array", "[]"],
    ["null", "null"],
    ["JSON with more behind it", `${JSON.stringify(soundClaims)}{}`],
    ["not UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d)],
    ["another token", "eyJhbGciOiJub25lIn0.e30."],
    ["deep", `${"[".repeat(3_000)}${"]".repeat(3_000)}`],
  ])("are malformed if they are %s, even if signed", async (_, payload) => {
    expect(await reasonOf(await signed(payload))).toBe("malformed");
  });

  test("count as the last of two values", async () => {
    const twice = (name: string, value: unknown): string =>
      JSON.stringify(soundClaims).replace(/\}$/, `,${JSON.stringify(name)}:${JSON.stringify(value)}}`);
    expect(await issuer().verify(await signed(twice("sub", "bob")))).toEqual(proven("jwt:bob"));
    expect(await reasonOf(await signed(twice("exp", 1)))).toBe("expired");
    expect(await reasonOf(await signed(twice("aud", "x")))).toBe("wrong_audience");
  });

  test("cannot have an infinite expiry", async () => {
    for (const exp of ["1e400", "1e999"]) {
      const endless = JSON.stringify(soundClaims).replace(/"exp":\d+/, `"exp":${exp}`);
      expect(await reasonOf(await signed(endless)), exp).toBe("no_expiry");
    }
    const past = JSON.stringify(soundClaims).replace(/"exp":\d+/, '"exp":-1e400');
    expect(await reasonOf(await signed(past))).toBe("expired");
  });

  test("cannot reach a prototype", async () => {
    const text = JSON.stringify({ ...soundClaims, sub: undefined }).replace(
      /\}$/,
      ',"__proto__":{"sub":"admin"}}',
    );
    expect(await reasonOf(await signed(text))).toBe("no_subject");
  });
});

describe("a forged token", () => {
  test("that declares itself unsigned has an unsupported algorithm", async () => {
    const [, payload, signature] = parts(await token(ec));
    for (const alg of ["none", "None", "NONE", "nOnE", "", null]) {
      const header = base64Url(JSON.stringify({ alg, kid: "ec" }));
      expect(await reasonOf(`${header}.${payload}.`)).toBe("unsupported_algorithm");
      expect(await reasonOf(`${header}.${payload}.${signature}`)).toBe("unsupported_algorithm");
    }
  });

  test("that uses a public key as an HMAC secret has an unsupported algorithm", async () => {
    for (const { jwk, algorithm } of [ec, rsa, ed]) {
      const publicKey = await importJWK(jwk, algorithm);
      if (publicKey instanceof Uint8Array) throw new Error("no public key");
      const secrets = [await exportSPKI(publicKey), JSON.stringify(jwk), `${jwk.n ?? jwk.x}`];
      for (const secret of secrets) {
        // A secret must be at least as long as the hash.
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

  test("whose algorithm does not fit the key that it names finds no key", async () => {
    expect(await reasonOf(await token(ec, {}, { kid: "rsa" }))).toBe("unknown_key");
    expect(await reasonOf(await token(rsa, {}, { kid: "ec" }))).toBe("unknown_key");
    expect(await reasonOf(await token(ed, {}, { kid: "ec" }))).toBe("unknown_key");
  });

  test("with an algorithm that is not pinned is rejected, even if signed by a known key", async () => {
    expect(await reasonOf(await token(rsa), { algorithms: ["ES256"] })).toBe("unsupported_algorithm");
  });

  test("signed by a stranger under a known key's name has a bad signature", async () => {
    expect(await reasonOf(await token(stranger))).toBe("bad_signature");
  });

  test.each(["jwk", "jku", "x5u", "x5c"])("cannot bring its own key: %s is ignored", async (name) => {
    const own: Record<string, unknown> = {
      jwk: stranger.jwk,
      jku: "https://evil.example/jwks.json",
      x5u: "https://evil.example/certificate",
      x5c: ["AAAA"],
    };
    const { verify, fetches } = issuer();
    for (const kid of ["ec", undefined]) {
      const forged = await token(stranger, {}, { [name]: own[name], kid });
      expect(await verify(forged)).toEqual(refused("bad_signature"));
    }
    expect((await verify(await token(ec, {}, { [name]: own[name] }))).kind).toBe("proven");
    expect(fetches()).toBe(1);
  });

  test("with changed or exchanged parts has a bad signature", async () => {
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

  test("without the form of a token is malformed", async () => {
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
    ["letters of the other alphabet", (text) => text.replace(/[^.]*$/, (part) => `+/${part.slice(2)}`)],
    ["dots that look alike", (text) => text.replaceAll(".", "\u2024")],
    ["dots in percent-encoding", (text) => text.replaceAll(".", "%2E")],
    ["another token behind a comma", (text) => `${text},${text}`],
    ["its scheme before it", (text) => `Bearer ${text}`],
    ["a detached payload", (text) => text.replace(/\..*\./, "..")],
    ["five parts, like an encrypted token", (text) => text.replace(".", ".AA.AA.")],
    ["JSON serialization", (text) => JSON.stringify(flattened(text))],
    ["a megabyte before it", (text) => "A".repeat(1 << 20) + text],
    ["a megabyte behind it", (text) => text + "A".repeat(1 << 20)],
  ])("with %s is malformed, even if signed", async (_, forge) => {
    const text = await token(ec);
    expect(await reasonOf(text)).toBe("proven");
    expect(await reasonOf(forge(text))).toBe("malformed");
  });

  test("with another spelling of its signature is malformed", async () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (const key of [ec, ed]) {
      const text = await token(key);
      const last = alphabet.indexOf(text.slice(-1));
      // 64 bytes leave four bits of the last character unused.
      for (let bits = 1; bits < 16; bits += 1) {
        const same = text.slice(0, -1) + alphabet.charAt(last + bits);
        expect(await reasonOf(same), same).toBe("malformed");
      }
    }
  });

  test("with an unencoded payload is malformed, whether declared critical or not", async () => {
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
  ])("with the algorithm %s is unsupported, even if signed", async (alg) => {
    const { verify, fetches } = issuer();
    const text = await signed(JSON.stringify(soundClaims), `{"kid":"ec","alg":${alg}}`);
    expect(await verify(text)).toEqual(refused("unsupported_algorithm"));
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
  ])("that names the key %j finds none, even if signed", async (kid) => {
    const text = await signed(JSON.stringify(soundClaims), JSON.stringify({ alg: "ES256", kid }));
    expect(await reasonOf(text)).toBe("unknown_key");
  });

  test("that names two keys uses the last one", async () => {
    const twice = (one: string, other: string) =>
      signed(JSON.stringify(soundClaims), `{"alg":"ES256","kid":"${one}","kid":"${other}"}`);
    expect(await reasonOf(await twice("rsa", "ec"))).toBe("proven");
    expect(await reasonOf(await twice("ec", "rsa"))).toBe("unknown_key");
  });

  test("with a signature beyond the curve's order has a bad signature (RFC 8032 §5.1.7)", async () => {
    const [header, payload, signature] = parts(await token(ed));
    const bytes = bytesOf(signature);
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const scalar = bytes.subarray(32).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n) + order;
    const same = bytes.map((byte, at) =>
      at < 32 ? byte : Number((scalar >> BigInt(8 * (at - 32))) & 0xffn),
    );
    expect(await reasonOf(`${header}.${payload}.${base64Url(same)}`)).toBe("bad_signature");
  });

  test("with a DER signature has a bad signature", async () => {
    const [header, payload, signature] = parts(await token(ec));
    const bytes = bytesOf(signature);
    // A leading zero keeps each integer positive.
    const integer = (part: Uint8Array) => [0x02, part.length + 1, 0, ...part];
    const content = [...integer(bytes.subarray(0, 32)), ...integer(bytes.subarray(32))];
    const der = Uint8Array.of(0x30, content.length, ...content);
    expect(await reasonOf(`${header}.${payload}.${base64Url(der)}`)).toBe("bad_signature");
  });

  test("signed with one padding does not verify with the other", async () => {
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

  test("is always rejected, and never an error", { timeout: 120_000 }, async () => {
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
    ["a type with a space", { typ: " JWT" }],
    ["an empty type", { typ: "" }],
    ["a numeric type", { typ: 1 }],
    ["a numeric key name", { kid: 7 }],
    ["null for a key name", { kid: null }],
    ["a key name in a list", { kid: ["ec"] }],
  ])("with %s in its header is malformed", async (_, header) => {
    expect(await reasonOf(await token(ec, {}, header))).toBe("malformed");
  });

  test("that is malformed or has another algorithm causes no fetch", async () => {
    const { verify, fetches } = issuer();
    await verify("a.b.c");
    await verify(`${base64Url('{"alg":"none"}')}.e30.`);
    expect(fetches()).toBe(0);
  });
});

describe("a token that names no key", () => {
  test("is verified by the only key that fits", async () => {
    expect(await reasonOf(await token(ec, {}, { kid: undefined }))).toBe("proven");
  });

  test("is rejected if several keys fit, even if one of them signed it", async () => {
    const { verify } = bench(setOf(ec, await issuerKey("ES256", "ec2")));
    expect(await verify(await token(ec, {}, { kid: undefined }))).toEqual(refused("unknown_key"));
  });

  test("may be signed by a key without a name", async () => {
    const key = await issuerKey("EdDSA");
    expect((await bench(setOf(key)).verify(await token(key))).kind).toBe("proven");
  });
});

test.each([
  ["an issuer", { issuer: undefined }],
  ["an audience", { audience: undefined }],
  ["a key set's URL", { jwksUrl: undefined }],
])("without %s there is no verifier", (_, missing) => {
  const verifier = createJwtVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwksUrl: ISSUER,
    fetch,
    now: () => 0,
    log: () => undefined,
    ...missing,
  });
  expect(verifier).toBeUndefined();
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

describe("an accepted token", () => {
  test("is cached for 10 s, then verified again", async () => {
    const { check, advance, publish, background } = issuer();
    const text = await token(ec, { exp: NOW_S + 100_000 });
    await check(text);
    advance(600_000);
    publish(setOf(rsa));
    expect(await check(text)).toEqual(proven("jwt:alice"));
    await Promise.all(background);
    advance(9_999);
    expect(check(text)).toEqual(proven("jwt:alice"));
    advance(1);
    expect(await check(text)).toEqual(refused("unknown_key"));
  });

  test("is verified again if the clock was set back", async () => {
    const { check, advance } = issuer();
    const text = await token(ec);
    expect(check(text)).toBeInstanceOf(Promise);
    await check(text);
    expect(check(text)).toEqual(proven("jwt:alice"));
    advance(-1);
    expect(check(text)).toBeInstanceOf(Promise);
  });

  test("is not cached beyond its expiry", async () => {
    const { check, advance } = issuer();
    const text = await token(ec, { exp: NOW_S + 3 });
    await check(text);
    advance(2_999);
    expect(check(text)).toEqual(proven("jwt:alice"));
    advance(1);
    expect(check(text)).toBeInstanceOf(Promise);
    advance(5_000);
    expect(await check(text)).toEqual(refused("expired"));
  });

  test("vouches for no other token, and rejections are not cached", async () => {
    const { check } = issuer();
    const text = await token(ec);
    await check(text);
    const forged = text.replace(/\.[^.]*$/, `.${base64Url(new Uint8Array(64))}`);
    expect(await check(forged)).toEqual(refused("bad_signature"));
    expect(check(forged)).toBeInstanceOf(Promise);
    expect(check(text)).toEqual(proven("jwt:alice"));
  });
});
