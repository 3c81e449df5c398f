/** Signs requests to the origin (RFC 9421, HMAC-SHA256), which derives the signature base likewise. */
import { internalHeaders } from "../../contract/internal-headers.ts";
import { toBase64 } from "../../lib/encoding.ts";
import type { AsyncSigningKey } from "./signing-keys.ts";

/** The signature's label in Signature and Signature-Input (§4). */
export const LABEL = "edge";
/** Purpose of the signature: one made for anything else is rejected (§2.3, `tag`). */
const TAG = "breakwater";
/** Lifetime of a signature, seconds. */
export const LIFETIME_S = 30;

export interface SignedTarget {
  readonly method: string;
  /** The origin's host and port as in the Host field. */
  readonly authority: string;
  readonly path: string;
  /** With its leading `?`; empty without one. */
  readonly query: string;
}

export type ReadField = (name: string) => string | null | undefined;

/** Derived components that every signature covers, in this order (§2.2). */
export const TARGET_COMPONENTS = ["@method", "@authority", "@path", "@query"] as const;

/** Header fields that are covered if the request has them. */
export const COVERED_FIELDS = [
  "cache-control",
  "content-digest",
  "content-type",
  "idempotency-key",
  "if-match",
  "if-none-match",
  internalHeaders.requestId,
  internalHeaders.context,
] as const;

/** Header fields that every request must have. */
export const REQUIRED_FIELDS = [internalHeaders.requestId, internalHeaders.context] as const;

/** `COVERED_FIELDS`, and those that the contract declares. @param declared names in lower case */
export const coveredFieldsWith = (declared: Iterable<string>): readonly string[] => [
  ...new Set<string>([...COVERED_FIELDS, ...declared]),
];

/** The inner list of covered components (§2.3): `("@method" "content-digest")`. */
export const innerList = (names: readonly string[]): string => `("${names.join('" "')}")`;

/**
 * The signature base (§2.5); undefined if the request lacks one of the fields.
 *
 * @param names the covered header fields
 * @param parameters the value of `@signature-params`: inner list and parameters, as in Signature-Input
 */
export const signatureBase = (
  { method, authority, path, query }: SignedTarget,
  names: readonly string[],
  field: ReadField,
  parameters: string,
): string | undefined => {
  // An absent query is an empty one (§2.2.7).
  let base = `"@method": ${method}\n"@authority": ${authority}\n`;
  base += `"@path": ${path}\n"@query": ${query || "?"}\n`;
  for (const name of names) {
    const value = field(name);
    if (value === null || value === undefined) return undefined;
    base += `"${name}": ${value.trim()}\n`;
  }
  return `${base}"@signature-params": ${parameters}`;
};

/** The Content-Digest field of a body (RFC 9530 §2), SHA-256. */
export const contentDigest = async (body: Uint8Array<ArrayBuffer>): Promise<string> =>
  `sha-256=:${toBase64(new Uint8Array(await crypto.subtle.digest("SHA-256", body)))}:`;

export interface SignatureOptions {
  readonly keyId: string;
  /** Epoch milliseconds. */
  readonly nowMs: number;
  /** Base64url; new for each attempt. */
  readonly nonce: string;
  /** Header fields to cover. @default `COVERED_FIELDS` */
  readonly names?: readonly string[] | undefined;
}

/** @param headers the fields to be sent, by lower-case name */
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

export const signatureFields = (parameters: string, mac: string) => ({
  "signature-input": `${LABEL}=${parameters}`,
  signature: `${LABEL}=:${mac}:`,
});

export const signRequest = async (
  key: AsyncSigningKey,
  target: SignedTarget,
  headers: Readonly<Record<string, string>>,
  options: Omit<SignatureOptions, "keyId">,
): Promise<ReturnType<typeof signatureFields>> => {
  const { parameters, base } = textToSign(target, headers, { ...options, keyId: key.id });
  return signatureFields(parameters, await key.mac(base));
};
