/** Signs a request to the origin (RFC 9421 §3.1), HMAC-SHA256 (§3.3.3). */
import {
  COVERED_FIELDS,
  innerList,
  LABEL,
  LIFETIME_S,
  type SignedTarget,
  signatureBase,
  TAG,
  TARGET_COMPONENTS,
} from "./covered-components.ts";
import type { AsyncSigningKey } from "./signing-keys.ts";

export interface SignatureFields {
  readonly signature: string;
  readonly "signature-input": string;
}

export interface SignatureOptions {
  readonly keyId: string;
  /** Epoch milliseconds. */
  readonly nowMs: number;
  /** New for each attempt, base64url. */
  readonly nonce: string;
  /** Header fields that are covered if the request has them. @default `COVERED_FIELDS` */
  readonly names?: readonly string[] | undefined;
}

/** @param headers the request's fields by lower-case name, as they will be sent */
export const textToSign = (
  target: SignedTarget,
  headers: Readonly<Record<string, string>>,
  { keyId, nowMs, nonce, names = COVERED_FIELDS }: SignatureOptions,
): { readonly parameters: string; readonly base: string } => {
  const covered = names.filter((name) => headers[name] !== undefined);
  const created = Math.floor(nowMs / 1000);
  const parameters =
    `${innerList([...TARGET_COMPONENTS, ...covered])};created=${created};expires=${created + LIFETIME_S}` +
    `;nonce="${nonce}";keyid="${keyId}";alg="hmac-sha256";tag="${TAG}"`;
  return { parameters, base: signatureBase(target, covered, (name) => headers[name], parameters) ?? "" };
};

export const signatureFields = (parameters: string, mac: string): SignatureFields => ({
  "signature-input": `${LABEL}=${parameters}`,
  signature: `${LABEL}=:${mac}:`,
});

export const signRequest = async (
  key: AsyncSigningKey,
  target: SignedTarget,
  headers: Readonly<Record<string, string>>,
  options: Omit<SignatureOptions, "keyId">,
): Promise<SignatureFields> => {
  const { parameters, base } = textToSign(target, headers, { ...options, keyId: key.id });
  return signatureFields(parameters, await key.mac(base));
};
