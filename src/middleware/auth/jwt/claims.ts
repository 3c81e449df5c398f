/** Judges what a token says (RFC 7519 §4.1), when it is known who has said it. */
import { isJsonObject, type JsonObject } from "../../../lib/json-object.ts";
import { readScopes } from "../scopes.ts";
import { faulty, type TokenVerdict } from "./verdict.ts";

export interface ClaimsRules {
  readonly issuer: string;
  readonly audience: string;
  /** How far the issuer's clock and ours may be apart, seconds. */
  readonly clockToleranceS: number;
  /** Stands before the subject in the principal's id, so that it is nobody's who has an API key. */
  readonly principalPrefix: string;
}

/** UTF-16 code units. */
const MOST_ID_LENGTH = 200;
// PostgreSQL takes no NUL, and nobody is named by controls.
const CONTROLS = /\p{Cc}/u;

/** Of a member that stands there twice the last one counts (RFC 7519 §4 allows it): it is that which was signed as well. */
export const readClaims = (payload: Uint8Array): JsonObject | undefined => {
  try {
    const claims: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
    return isJsonObject(claims) ? claims : undefined;
  } catch {
    return undefined;
  }
};

const isMeantFor = (aud: unknown, audience: string): boolean =>
  aud === audience || (Array.isArray(aud) && aud.includes(audience));

const principalId = (sub: unknown, prefix: string): string | undefined => {
  if (typeof sub !== "string" || sub === "") return undefined;
  const id = prefix + sub;
  return id.length <= MOST_ID_LENGTH && id.isWellFormed() && !CONTROLS.test(id) ? id : undefined;
};

/** @param nowMs epoch milliseconds */
export const judgeClaims = (claims: JsonObject, rules: ClaimsRules, nowMs: number): TokenVerdict => {
  const { iss, aud, exp, nbf, sub } = claims;
  const { issuer, audience, clockToleranceS, principalPrefix } = rules;
  const toleranceMs = clockToleranceS * 1_000;
  if (iss !== issuer) return faulty("wrong_issuer");
  if (!isMeantFor(aud, audience)) return faulty("wrong_audience");
  const expiresAtMs = typeof exp === "number" ? exp * 1_000 : Number.NaN;
  // A number beyond all numbers is read as infinity.
  if (!Number.isFinite(expiresAtMs)) return faulty("no_expiry");
  if (expiresAtMs <= nowMs - toleranceMs) return faulty("expired");
  if (nbf !== undefined && typeof nbf !== "number") return faulty("malformed");
  if (nbf !== undefined && nbf * 1_000 > nowMs + toleranceMs) return faulty("not_yet_valid");
  const id = principalId(sub, principalPrefix);
  if (id === undefined) return faulty("no_subject");
  return { kind: "proven", principal: { id, scopes: readScopes(claims) }, expiresAtMs };
};
