/** Attacks on the verification of JWTs (RFC 8725): each token would be accepted by a careless verifier. */
import fc from "fast-check";
import { exportSPKI, importJWK, SignJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { fromBase64 } from "../../../src/lib/encoding.ts";
import type { JwtVerifierOptions } from "../../../src/middleware/auth/jwt.ts";
import {
  base64Url,
  createKeys,
  issuerOf,
  type Keys,
  reasonFrom,
  refused,
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
const CLAIMS = JSON.stringify(soundClaims);

const parts = (text: string): [string, string, string] => {
  const [header = "", payload = "", signature = ""] = text.split(".");
  return [header, payload, signature];
};
/** The JSON serialization (RFC 7515 §7.2.2). */
const flattened = (text: string): string => {
  const [header, payload, signature] = parts(text);
  return JSON.stringify({ protected: header, payload, signature });
};
const bytesOf = (part: string): Uint8Array => fromBase64(part) ?? new Uint8Array();
/** Changes a character without unused bits. */
const changed = (part: string): string => part.replace(/^./, (first) => (first === "A" ? "B" : "A"));

describe("a forged token", () => {
  test("that declares itself unsigned has an unsupported algorithm", async () => {
    const [, payload, signature] = parts(await token(keys.ec));
    for (const alg of ["none", "None", "NONE", "nOnE", "", null]) {
      const header = base64Url(JSON.stringify({ alg, kid: "ec" }));
      expect(await reasonOf(`${header}.${payload}.`)).toBe("unsupported_algorithm");
      expect(await reasonOf(`${header}.${payload}.${signature}`)).toBe("unsupported_algorithm");
    }
  });

  test("that uses a public key as an HMAC secret has an unsupported algorithm", async () => {
    for (const { jwk, algorithm } of [keys.ec, keys.rsa, keys.ed]) {
      const publicKey = await importJWK(jwk, algorithm);
      if (publicKey instanceof Uint8Array) throw new Error("no public key");
      for (const secret of [await exportSPKI(publicKey), JSON.stringify(jwk), `${jwk.n ?? jwk.x}`]) {
        // A secret must be at least as long as the hash.
        const bytes = new TextEncoder().encode(secret.padEnd(64, "\0"));
        for (const alg of ["HS256", "HS384", "HS512"]) {
          const header = { alg, kid: `${jwk.kid}` };
          const text = await new SignJWT(soundClaims).setProtectedHeader(header).sign(bytes);
          expect(await reasonOf(text)).toBe("unsupported_algorithm");
        }
      }
    }
  });

  test("whose algorithm does not fit the key that it names finds no key", async () => {
    expect(await reasonOf(await token(keys.ec, {}, { kid: "rsa" }))).toBe("unknown_key");
    expect(await reasonOf(await token(keys.rsa, {}, { kid: "ec" }))).toBe("unknown_key");
    expect(await reasonOf(await token(keys.ed, {}, { kid: "ec" }))).toBe("unknown_key");
  });

  test("with an algorithm that is not pinned is rejected, even if signed by a known key", async () => {
    expect(await reasonOf(await token(keys.rsa), { algorithms: ["ES256"] })).toBe("unsupported_algorithm");
  });

  test("cannot bring its own key: jwk, jku, x5u and x5c are ignored", async () => {
    const header = {
      jwk: keys.stranger.jwk,
      jku: "https://evil.example/jwks.json",
      x5u: "https://evil.example/certificate",
      x5c: ["AAAA"],
    };
    const { verify, fetches } = issuer();
    for (const field of [{}, ...Object.entries(header).map(([name, value]) => ({ [name]: value }))]) {
      for (const kid of ["ec", undefined])
        expect(await verify(await token(keys.stranger, {}, { ...field, kid }))).toEqual(
          refused("bad_signature"),
        );
      expect((await verify(await token(keys.ec, {}, field))).kind).toBe("proven");
    }
    expect(fetches()).toBe(1);
  });

  test("with changed or exchanged parts has a bad signature", async () => {
    const [header, payload, signature] = parts(await token(keys.ec));
    const [, otherPayload, otherSignature] = parts(await token(keys.ec, { sub: "bob" }));
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

  test("without the form of a token is malformed, and causes no fetch", async () => {
    const text = await token(keys.ec);
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
      `${text}.AA.AA`,
      ` ${text}`,
      changed(text),
      `${base64Url("{")}.${payload}.${signature}`,
      `${base64Url("null")}.${payload}.${signature}`,
      text.padEnd(8 * 1024 + 1, "A"),
      "a.".repeat(50_000),
    ];
    const at = issuer();
    for (const each of forged) expect(await reasonFrom(at, each), each.slice(0, 80)).toBe("malformed");
    expect(at.fetches()).toBe(0);
  });

  test.each<[string, (text: string) => string]>([
    ["a space in its header", (text) => text.replace(".", " .")],
    ["a line break in its payload", (text) => text.replace(".", ".\r\n")],
    ["a tab in its signature", (text) => text.replace(/.{4}$/, "\t$&")],
    ["a line break after it", (text) => `${text}\n`],
    ["a no-break space after it", (text) => `${text}\u00a0`],
    ["a NUL after it", (text) => `${text}\0`],
    ["padding in its header", (text) => text.replace(".", "=.")],
    ["padding in its payload", (text) => text.replace(/\.([^.]*)$/, "=.$1")],
    ["padding in its signature", (text) => `${text}==`],
    ["letters of the other alphabet", (text) => text.replace(/[^.]*$/, (part) => `+/${part.slice(2)}`)],
    ["dots that look alike", (text) => text.replaceAll(".", "\u2024")],
    ["dots in percent-encoding", (text) => text.replaceAll(".", "%2E")],
    ["another token after a comma", (text) => `${text},${text}`],
    ["its scheme before it", (text) => `Bearer ${text}`],
    ["five parts, like an encrypted token", (text) => text.replace(".", ".AA.AA.")],
    ["JSON serialization", flattened],
    ["a megabyte before it", (text) => "A".repeat(1 << 20) + text],
  ])("with %s is malformed, even if signed", async (_, forge) => {
    const text = await token(keys.ec);
    expect(await reasonOf(text)).toBe("proven");
    expect(await reasonOf(forge(text))).toBe("malformed");
  });

  test("with another spelling of its signature is malformed", async () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (const key of [keys.ec, keys.ed]) {
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
      for (const payload of [base64Url(CLAIMS), CLAIMS]) {
        const input = new TextEncoder().encode(`${header}.${payload}`);
        const by = { name: "ECDSA", hash: "SHA-256" };
        const signature = new Uint8Array(await crypto.subtle.sign(by, keys.ec.privateKey, input));
        expect(await reasonOf(`${header}.${payload}.${base64Url(signature)}`)).toBe("malformed");
      }
    }
  });

  const otherAlgorithms = "es256|ES256 | ES256|ES256\0|ES384|ES256K|Ed448|ed25519|RS512|PS256|RSA-OAEP|dir";
  test.each([
    ...`${otherAlgorithms}|__proto__|constructor`.split("|").map((name) => JSON.stringify(name)),
    '["ES256"]',
    '{"toString":"ES256"}',
    "256",
    "true",
    '"ES256","alg":"none"',
    `${"[".repeat(2_000)}${"]".repeat(2_000)}`,
  ])("with the algorithm %.40s is unsupported, even if signed", async (alg) => {
    const { verify, fetches } = issuer();
    const text = await signed(keys.ec, CLAIMS, `{"kid":"ec","alg":${alg}}`);
    expect(await verify(text)).toEqual(refused("unsupported_algorithm"));
    expect(fetches()).toBe(0);
  });

  const otherKids =
    "|EC| ec|ec |ec\0|e\u0301c|../ec|ec' OR '1'='1|ec\r\nx: y|$(ec)|__proto__|constructor|0|*";
  test.each([
    ...otherKids.split("|"),
    "../../../../dev/null",
    "https://evil.example/jwks.json#ec",
    "k".repeat(5_000),
  ])("that names the key %j finds none, even if signed", async (kid) => {
    const text = await signed(keys.ec, CLAIMS, JSON.stringify({ alg: "ES256", kid }));
    expect(await reasonOf(text)).toBe("unknown_key");
  });

  test("that names two keys uses the last one", async () => {
    const twice = (one: string, other: string) =>
      signed(keys.ec, CLAIMS, `{"alg":"ES256","kid":"${one}","kid":"${other}"}`);
    expect(await reasonOf(await twice("rsa", "ec"))).toBe("proven");
    expect(await reasonOf(await twice("ec", "rsa"))).toBe("unknown_key");
  });

  test("with a signature beyond the curve's order has a bad signature (RFC 8032 §5.1.7)", async () => {
    const [header, payload, signature] = parts(await token(keys.ed));
    const bytes = bytesOf(signature);
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const scalar = bytes.subarray(32).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n) + order;
    const same = bytes.map((byte, at) =>
      at < 32 ? byte : Number((scalar >> BigInt(8 * (at - 32))) & 0xffn),
    );
    expect(await reasonOf(`${header}.${payload}.${base64Url(same)}`)).toBe("bad_signature");
  });

  test("with a DER signature has a bad signature", async () => {
    const [header, payload, signature] = parts(await token(keys.ec));
    const bytes = bytesOf(signature);
    // A leading zero keeps each integer positive.
    const integer = (part: Uint8Array) => [0x02, part.length + 1, 0, ...part];
    const content = [...integer(bytes.subarray(0, 32)), ...integer(bytes.subarray(32))];
    const der = Uint8Array.of(0x30, content.length, ...content);
    expect(await reasonOf(`${header}.${payload}.${base64Url(der)}`)).toBe("bad_signature");
  });

  test("signed with one padding does not verify with the other", async () => {
    const both = { algorithms: ["RS256", "PS256"] } as const;
    const [, payload, signature] = parts(await token(keys.rsa));
    const input = `${base64Url(JSON.stringify({ alg: "PS256", kid: "rsa" }))}.${payload}`;
    expect(await reasonOf(`${input}.${signature}`, both)).toBe("bad_signature");
    const bytes = new TextEncoder().encode(input);
    const other = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", keys.rsa.privateKey, bytes);
    expect(await reasonOf(`${input}.${base64Url(new Uint8Array(other))}`, both)).toBe("bad_signature");
  });

  test("is always rejected, and never an error", { timeout: 120_000 }, async () => {
    const { verify, fetches } = issuer();
    const header = fc.record({ alg: fc.constantFrom("ES256", "EdDSA", "none"), kid: fc.jsonValue() });
    const segment = fc.oneof(
      fc.json().map(base64Url),
      header.map((each) => base64Url(JSON.stringify(each))),
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

  test.each<Record<string, unknown>>([
    { crit: ["b64"], b64: true },
    { typ: "logout+jwt" },
    { typ: " JWT" },
    { typ: "" },
    { typ: 1 },
    { kid: 7 },
    { kid: null },
    { kid: ["ec"] },
  ])("with the header fields %j is malformed", async (header) => {
    expect(await reasonOf(await token(keys.ec, {}, header))).toBe("malformed");
  });
});
