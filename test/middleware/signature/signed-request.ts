/** A request signed like the edge's. */
import { toBase64 } from "../../../src/lib/encoding.ts";
import {
  coveredFieldsWith,
  LIFETIME_S,
  type SignedTarget,
  signatureFields,
  textToSign,
} from "../../../src/middleware/signature/sign.ts";
import { parseSigningKeys, type SigningKey } from "../../../src/middleware/signature/signing-keys.ts";
import { CLOCK_SKEW_S, createVerifier, type Verify } from "../../../src/middleware/signature/verify.ts";
import { nodeHmac } from "../../../src/origin/config/hmac.ts";

export const NOW_MS = 1_800_000_000_500;
export const NONCE = "AAECAwQFBgcICQoLDA0ODw";

/** A key with a secret of 32 equal bytes. */
export const testKey = (id: string, byte = 1): SigningKey => {
  const keys = parseSigningKeys(`${id}:${toBase64(new Uint8Array(32).fill(byte))}`, nodeHmac);
  if (keys === undefined) throw new Error("wrong signing keys");
  return keys[0];
};

export const target: SignedTarget = {
  method: "POST",
  authority: "origin.test:8080",
  path: "/v1/orders",
  query: "?a=1",
};

/** Every field that a signature covers. */
export const coveredFields: Readonly<Record<string, string>> = {
  "cache-control": "max-age=3",
  "content-digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
  "content-type": "application/json",
  "if-match": '"7"',
  "if-none-match": '"8"',
  "idempotency-key": '"4c1e"',
  "x-request-id": "01900000-0000-7000-8000-000000000001",
  "breakwater-context":
    'client="192.0.2.1", auth=api-key, principal="demo", scopes="orders:write", timeout-ms=9000, attempt=1, span="00f067aa0ba902b7"',
};

export type Fields = Readonly<Record<string, string>>;

export const without = (fields: Fields, name: string): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([each]) => each !== name));

/** The fields of a signed request. */
export const signed = ({
  key = testKey("k1"),
  to = target,
  fields = coveredFields,
  nowMs = NOW_MS,
  nonce = NONCE,
  names = coveredFieldsWith([]),
} = {}): Fields => {
  const { parameters, base } = textToSign(to, fields, { keyId: key.id, nowMs, nonce, names });
  return { ...fields, ...signatureFields(parameters, key.mac(base)) };
};

/** A verifier without a nonce. @param fields @default those of every contract */
export const verifierOf = (keys: readonly SigningKey[], fields = coveredFieldsWith([])): Verify =>
  createVerifier({
    keys,
    authorities: ["origin.test:8080", "origin.test"],
    nonceLifetimeMs: (LIFETIME_S + 2 * CLOCK_SKEW_S) * 1000,
    fields,
  });
