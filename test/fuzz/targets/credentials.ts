/** API keys, their published records, access tokens, and the key sets of issuers. */
import fc from "fast-check";
import { exportJWK, generateKeyPair } from "jose";
import * as z from "zod/mini";
import { toBase64Url } from "../../../src/lib/encoding.ts";
import {
  apiKeys,
  createKey,
  type KeyRecord,
  parseKey,
  publishedKeysName,
  readKeyRecord,
  verifyKey,
  writeKeyRecord,
} from "../../../src/middleware/auth/api-keys.ts";
import { createJwtVerifier, looksLikeToken } from "../../../src/middleware/auth/jwt.ts";
import {
  type AuthContext,
  isScope,
  missingScopes,
  principalOf,
  provenPrincipal,
  readScopes,
} from "../../../src/middleware/auth/principal.ts";
import { clientIdentities } from "../../../src/middleware/context/client.ts";
import { nearTexts } from "../mutate.ts";
import { type Json, nearJson } from "../mutate-json.ts";
import { defineTarget, must, mustEqual } from "../target.ts";

/** Of base64url: the last character of a key has two bits that its secret does not need. */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const NOW_S = 1_800_000_000;
const nowMs = (): number => NOW_S * 1_000;

const variables = {
  requestId: "01900000-0000-7000-8000-000000000001",
  target: { origin: "https://api.example.com", path: "/", query: "" },
  client: clientIdentities(1)("192.0.2.1"),
  waitUntil: (): void => undefined,
  deadlineAtMs: nowMs() + 10_000,
};
const context: AuthContext = { get: (name) => variables[name] };

export const keys = defineTarget({
  name: "api-keys",
  files: ["middleware/auth/api-keys.ts", "lib/encoding.ts"],
  // A key that is checked, and a record as Redis has it.
  schema: z.object({ key: z.string(), record: z.string() }),
  inputs: (seeds) => {
    const records = seeds.map(({ record }): Json => JSON.parse(record));
    return fc.record({ key: nearTexts(seeds.map(({ key }) => key)), record: nearJson(records) });
  },
  start: () => {
    // The secret of 32 zero bytes.
    const made = createKey((bytes) => bytes.fill(0));
    const record: KeyRecord = {
      id: made.id,
      hash: made.hash,
      principal: "alice",
      scopes: ["orders:read"],
      expiresAtMs: nowMs() + 60_000,
    };
    must(readKeyRecord(record.id, writeKeyRecord(record)) !== undefined, "a record written and read");
    must(publishedKeysName("a:") === "a:keys", "the name of the published keys");
    const sameSecret = (key: string): boolean => {
      const presented = parseKey(key);
      return presented !== undefined && typeof verifyKey(presented, record, nowMs()) !== "string";
    };
    let clockMs = nowMs();
    const check = apiKeys({
      lookup: async (id) => {
        if (id === "unavailable_") return { kind: "unavailable" };
        return id === record.id ? { kind: "found", record } : { kind: "unknown" };
      },
      now: () => clockMs,
    });
    return {
      run: async ({ key, record: text }) => {
        clockMs = nowMs();
        const spelled = made.key.slice(0, -1) + ALPHABET[key.length % ALPHABET.length];
        must(spelled === made.key || !sameSecret(spelled), "another spelling of a key");
        const result = await check(key, context, (wasValid) => wasValid || key.length % 7 !== 0);
        must(result.kind !== "proven" || key === made.key, "a key that was never made");
        must((await check(made.key, context)).kind === "proven", "a valid key that is rejected");
        clockMs += 3_000;
        must((await check(made.key, context)).kind === "proven", "a cached key that is rejected");
        clockMs += 57_000;
        must((await check(made.key, context)).kind === "refused", "an expired key");
        const other = readKeyRecord(record.id, text);
        if (other === undefined) return;
        const again = readKeyRecord(record.id, writeKeyRecord(other));
        mustEqual(again && writeKeyRecord(again), writeKeyRecord(other), "a record written and read");
        const presented = parseKey(made.key);
        if (presented === undefined) throw new Error("the key has no form");
        const principal = verifyKey(presented, other, nowMs());
        must(typeof principal === "string" || other.hash === made.hash, "a key of another record");
      },
    };
  },
});

const tokenInput = z.object({
  header: z.string(),
  payload: z.string(),
  /** `valid`: by the issuer's key; `stranger`: by another one; else the signature as it is. */
  signature: z.string(),
  /** A character of the signed token that is replaced; none with an empty text. */
  place: z.number(),
  character: z.string(),
});

const ISSUER = "https://issuer.example/";
const AUDIENCE = "https://api.example.com";
const ALGORITHM = { name: "ECDSA", hash: "SHA-256" };
const encode = (text: string): string => toBase64Url(new TextEncoder().encode(text));

const parsedJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

export const tokens = defineTarget({
  name: "tokens",
  files: ["middleware/auth/principal.ts", "middleware/auth/jwt.ts"],
  schema: tokenInput,
  inputs: (seeds) =>
    fc.record({
      header: nearJson(seeds.map(({ header }): Json => JSON.parse(header))),
      payload: nearJson(seeds.map(({ payload }): Json => JSON.parse(payload))),
      signature: fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom("valid", "stranger", "") },
        { weight: 1, arbitrary: nearTexts(["A".repeat(86)]) },
      ),
      place: fc.nat({ max: 0xffff }),
      character: fc.oneof(
        { weight: 3, arbitrary: fc.constant("") },
        { weight: 1, arbitrary: fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 1 }) },
      ),
    }),
  start: async () => {
    const [own, stranger] = await Promise.all([
      generateKeyPair("ES256", { extractable: true }),
      generateKeyPair("ES256", { extractable: true }),
    ]);
    const jwk = { ...(await exportJWK(own.publicKey)), kid: "ec", alg: "ES256" };
    let clockMs = nowMs();
    const verify = createJwtVerifier({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwksUrl: `${ISSUER}keys`,
      fetch: async () => Response.json({ keys: [jwk] }),
      now: () => clockMs,
      log: () => undefined,
    });
    if (verify === undefined) throw new Error("no issuer");
    const signatureOf = async (signed: string, kind: string): Promise<string> => {
      if (kind !== "valid" && kind !== "stranger") return kind;
      const { privateKey } = kind === "valid" ? own : stranger;
      const bytes = await crypto.subtle.sign(ALGORITHM, privateKey, new TextEncoder().encode(signed));
      return toBase64Url(new Uint8Array(bytes));
    };
    return {
      run: async ({ header, payload, signature, place, character }) => {
        const signed = `${encode(header)}.${encode(payload)}`;
        const whole = `${signed}.${await signatureOf(signed, signature)}`;
        const at = place % whole.length;
        const token = character === "" ? whole : whole.slice(0, at) + character + whole.slice(at + 1);
        looksLikeToken(token);
        clockMs = nowMs();
        const result = await verify(token, context, () => true);
        const again = await verify(token, context, () => true);
        mustEqual(again.kind, result.kind, "the same token again");
        const principal = provenPrincipal(result);
        if (result.kind !== "proven" || principal === undefined) return;
        must(signature === "valid" && token === whole, "a token that the issuer has not signed");
        mustEqual(principalOf(result.identity), principal, "the principal");
        must(
          /^jwt:\P{Cc}+$/u.test(principal.id) && principal.id.length <= 200,
          "a principal that cannot be stored",
        );
        must(principal.scopes.every(isScope) && principal.scopes.length <= 64, "scopes that are none");
        missingScopes({ scopes: ["orders:read"] }, principal);
        missingScopes("public", principal);
        const claims = parsedJson(payload);
        must(typeof claims === "object" && claims !== null, "claims that are no object");
        const { iss, exp } = z.object({ iss: z.string(), exp: z.number() }).parse(claims);
        must(iss === ISSUER && exp > NOW_S - 10, "a token of another issuer, or an expired one");
        readScopes({ scope: payload });
        readScopes({ scp: [payload, "a", 1] });
      },
    };
  },
});

export const keySets = defineTarget({
  name: "key-sets",
  files: ["middleware/auth/jwt.ts"],
  // The issuer's response, and a token that it may have signed.
  schema: z.object({ body: z.string(), status: z.number(), token: z.string() }),
  inputs: (seeds) =>
    fc.record({
      body: nearJson(seeds.map(({ body }): Json => JSON.parse(body))),
      status: fc.oneof({ weight: 6, arbitrary: fc.constant(200) }, fc.constantFrom(204, 301, 404, 500, 503)),
      token: nearTexts(seeds.map(({ token }) => token)),
    }),
  start: () => ({
    run: async ({ body, status, token }) => {
      const content = status === 204 ? null : body;
      let clockMs = nowMs();
      const options = {
        issuer: ISSUER,
        audience: AUDIENCE,
        jwksUrl: `${ISSUER}keys`,
        fetch: async () => {
          if (status === 301) throw new TypeError("fetch failed");
          return new Response(content, { status });
        },
        now: () => clockMs,
        log: () => undefined,
      };
      must(
        createJwtVerifier({ ...options, issuer: undefined }) === undefined,
        "a verifier without an issuer",
      );
      const verify = createJwtVerifier(options);
      const results = [await verify?.(token, context), await verify?.(token, context, () => true)];
      clockMs += 700_000;
      results.push(await verify?.(token, context));
      // Waits for the other's fetch.
      if (status === 404)
        results.push(...(await Promise.all([1, 2].map(() => createJwtVerifier(options)?.(token, context)))));
      for (const result of results)
        must(
          result?.kind === "refused" || result?.kind === "unavailable",
          "a token that no issuer has signed",
        );
      must(
        (await verify?.(token, context, () => false))?.kind === "unavailable",
        "a check that may not be made",
      );
    },
  }),
});
