/**
 * The signature algorithms that are taken (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2), and which keys are theirs: no
 * key is used for another.
 */

/** What a public key of the kind is made of (RFC 7518 §6, RFC 8037 §2), and no more. */
interface KeyKind {
  readonly kty: string;
  readonly crv?: string;
  readonly members: readonly string[];
}

const RSA: KeyKind = { kty: "RSA", members: ["n", "e"] };
const ED25519: KeyKind = { kty: "OKP", crv: "Ed25519", members: ["x"] };

export const KEY_KINDS = {
  ES256: { kty: "EC", crv: "P-256", members: ["x", "y"] },
  EdDSA: ED25519,
  Ed25519: ED25519,
  RS256: RSA,
  PS256: RSA,
} as const satisfies Record<string, KeyKind>;

export type TokenAlgorithm = keyof typeof KEY_KINDS;

export const keyKind = (algorithm: TokenAlgorithm): KeyKind => KEY_KINDS[algorithm];

/** `EdDSA` leaves the curve to the key, `Ed25519` names it: with the one curve that is taken they are the same. */
const NAMES_OF_ED25519: readonly unknown[] = ["EdDSA", "Ed25519"];

/** Whether what a key is said to be for is the algorithm, by this or another name. */
export const isSameAlgorithm = (said: unknown, algorithm: TokenAlgorithm): boolean =>
  said === algorithm || (NAMES_OF_ED25519.includes(said) && NAMES_OF_ED25519.includes(algorithm));

export const isTokenAlgorithm = (value: unknown): value is TokenAlgorithm =>
  typeof value === "string" && Object.hasOwn(KEY_KINDS, value);
