/**
 * Signs a request to the origin (RFC 9421, HMAC-SHA256): which components of it are covered, and the text that is signed,
 * which the origin derives in the same way.
 */
import { internalHeaders } from "../../contract/internal-headers.ts";
import { toBase64 } from "../../lib/encoding.ts";
import type { AsyncSigningKey } from "./signing-keys.ts";

/** Signature and Signature-Input name the signature by this label (RFC 9421 §4). */
export const LABEL = "edge";
/** What the signature is for, so that one made for something else is never accepted (RFC 9421 §2.3, `tag`). */
export const TAG = "breakwater";
/** How long a signature lives, seconds. */
export const LIFETIME_S = 30;

export interface SignedTarget {
  readonly method: string;
  /** The origin's host and port as in its Host field: it names the origin that the request is for. */
  readonly authority: string;
  readonly path: string;
  /** With its leading `?`; empty if there is none. */
  readonly query: string;
}

export type ReadField = (name: string) => string | null | undefined;

/** Derived components, which every signature covers, in this order (§2.2). */
export const TARGET_COMPONENTS = ["@method", "@authority", "@path", "@query"] as const;

/** Header fields that are covered whenever the request has them. */
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

/** Header fields without which no request is accepted. */
export const REQUIRED_FIELDS = [internalHeaders.requestId, internalHeaders.context] as const;

/**
 * `COVERED_FIELDS` and what the contract's handlers read beside them.
 *
 * @param declared names of header fields, in lower case
 */
export const coveredFieldsWith = (declared: Iterable<string>): readonly string[] => [
  ...new Set<string>([...COVERED_FIELDS, ...declared]),
];

/** The inner list of covered components (§2.3): `("@method" "content-digest")`. */
export const innerList = (names: readonly string[]): string =>
  `(${names.map((name) => `"${name}"`).join(" ")})`;

/** A line of the signature base (§2.5). */
const line = (name: string, value: string): string => `"${name}": ${value}\n`;

/**
 * The signature base (§2.5).
 *
 * @param names the header fields that it covers
 * @param parameters the value of `@signature-params`: inner list and parameters, as in Signature-Input
 * @returns undefined if the request does not have one of the fields
 */
export const signatureBase = (
  { method, authority, path, query }: SignedTarget,
  names: readonly string[],
  field: ReadField,
  parameters: string,
): string | undefined => {
  // An absent query counts as an empty one (§2.2.7).
  let base =
    line("@method", method) +
    line("@authority", authority) +
    line("@path", path) +
    line("@query", query || "?");
  for (const name of names) {
    const value = field(name);
    if (value === null || value === undefined) return undefined;
    base += line(name, value.trim());
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
