/** The signature algorithms that are taken (RFC 7518 §3.1, RFC 8037 §3.1), and which keys are theirs: no key is used for another. */

/** What a public key of the kind is made of (RFC 7518 §6, RFC 8037 §2), and no more. */
interface KeyKind {
  readonly kty: string;
  readonly crv?: string;
  readonly members: readonly string[];
}

const RSA: KeyKind = { kty: "RSA", members: ["n", "e"] };

export const KEY_KINDS = {
  ES256: { kty: "EC", crv: "P-256", members: ["x", "y"] },
  EdDSA: { kty: "OKP", crv: "Ed25519", members: ["x"] },
  RS256: RSA,
  PS256: RSA,
} as const satisfies Record<string, KeyKind>;

export type TokenAlgorithm = keyof typeof KEY_KINDS;

export const keyKind = (algorithm: TokenAlgorithm): KeyKind => KEY_KINDS[algorithm];

export const isTokenAlgorithm = (value: unknown): value is TokenAlgorithm =>
  typeof value === "string" && Object.hasOwn(KEY_KINDS, value);
