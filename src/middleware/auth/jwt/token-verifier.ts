/**
 * Verifies access tokens of one issuer: JWTs (RFC 7519) that are signed by a key which the issuer publishes. Which
 * algorithms are taken is ours to say, never the token's; every token ends, and is for us (RFC 8725). A verdict is worth
 * keeping for a while: it costs a signature's verification.
 */
import { compactVerify } from "jose/jws/compact/verify";
import { isTokenAlgorithm, KEY_KINDS, type TokenAlgorithm } from "./algorithms.ts";
import { type ClaimsRules, judgeClaims, readClaims } from "./claims.ts";
import { createIssuerKeys, type IssuerKeysOptions } from "./issuer-keys.ts";
import type { VerificationKey } from "./key-set.ts";
import { readTokenHeader } from "./token-header.ts";
import { faulty, type TokenVerdict } from "./verdict.ts";

export interface TokenVerifierOptions {
  /** As it stands in `iss`, to the letter. */
  readonly issuer: string;
  /** Has to be, or to be among, what stands in `aud`. */
  readonly audience: string;
  /** @default ES256, RS256, EdDSA, Ed25519 */
  readonly algorithms?: readonly TokenAlgorithm[];
  /** Fetches the issuer's key set and parses it. How much is read of it is for the caller to bound. */
  readonly fetchKeys: () => Promise<unknown>;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** What the work gives; rejects where it takes longer than so many milliseconds. */
  readonly within: (work: Promise<unknown>, ms: number) => Promise<unknown>;
  readonly pause: (ms: number) => Promise<void>;
  /**
   * The set is fetched at most once in so long, whatever tokens come. As long as none has ever been had, a fetch that
   * failed is made again after 1 s, and after twice as long each further time, up to this.
   *
   * @default 60,000
   */
  readonly refetchMs?: number;
  /** An older set is fetched again in the background, and used meanwhile. @default 600,000 */
  readonly maxAgeMs?: number;
  /** For so long a fetch is waited for. @default 5,000 */
  readonly fetchTimeoutMs?: number;
  /** How far the issuer's clock and ours may be apart, seconds. @default 5 */
  readonly clockToleranceS?: number;
  /** @default "jwt:" */
  readonly principalPrefix?: string;
}

export interface TokenVerifier {
  /**
   * Never rejects. It may fetch the issuer's keys, and then lasts as long as that.
   *
   * @param inBackground goes on with work when the request has been answered
   */
  verify(token: string, inBackground: (work: Promise<unknown>) => void): Promise<TokenVerdict>;
}

const DEFAULTS = {
  algorithms: ["ES256", "RS256", "EdDSA", "Ed25519"],
  refetchMs: 60_000,
  maxAgeMs: 600_000,
  fetchTimeoutMs: 5_000,
  clockToleranceS: 5,
  principalPrefix: "jwt:",
} as const satisfies Partial<TokenVerifierOptions>;

const checked = (options: TokenVerifierOptions): IssuerKeysOptions & ClaimsRules => {
  const settings = { ...DEFAULTS, ...options };
  for (const name of ["issuer", "audience"] as const)
    if (settings[name] === "") throw new RangeError(`${name} must not be empty`);
  for (const name of ["refetchMs", "maxAgeMs", "fetchTimeoutMs"] as const)
    if (!(Number.isFinite(settings[name]) && settings[name] > 0))
      throw new RangeError(`${name} must be a finite number above 0`);
  if (!(Number.isFinite(settings.clockToleranceS) && settings.clockToleranceS >= 0))
    throw new RangeError("clockToleranceS must be a finite number, and not negative");
  if (settings.algorithms.length === 0 || !settings.algorithms.every(isTokenAlgorithm))
    throw new RangeError(`algorithms must be some of ${Object.keys(KEY_KINDS).join(", ")}`);
  return settings;
};

/** What was signed; undefined where the key has not signed it. */
const signedPayload = async (
  token: string,
  { algorithm, key }: VerificationKey,
): Promise<Uint8Array | undefined> => {
  try {
    return (await compactVerify(token, key, { algorithms: [algorithm] })).payload;
  } catch {
    return undefined;
  }
};

/** @throws RangeError for options that make no sense */
export const createTokenVerifier = (options: TokenVerifierOptions): TokenVerifier => {
  const settings = checked(options);
  const issuerKeys = createIssuerKeys(settings);

  return {
    verify: async (token, inBackground) => {
      const header = readTokenHeader(token);
      if (header === undefined) return faulty("malformed");
      const algorithm = settings.algorithms.find((taken) => taken === header.alg);
      if (algorithm === undefined) return faulty("unsupported_algorithm");
      if (!header.isSound) return faulty("malformed");
      const key = await issuerKeys.find(algorithm, header.kid, inBackground);
      if (key === "unavailable") return { kind: "unavailable" };
      if (key === "unknown") return faulty("unknown_key");
      const payload = await signedPayload(token, key);
      if (payload === undefined) return faulty("bad_signature");
      const claims = readClaims(payload);
      return claims === undefined ? faulty("malformed") : judgeClaims(claims, settings, settings.now());
    },
  };
};
