/**
 * Access tokens of one issuer: JWTs (RFC 7519) that jose verifies with the issuer's published keys. The configuration pins
 * the algorithms; every token must expire, and name this API as its audience (RFC 8725).
 */

import { decodeProtectedHeader } from "jose/decode/protected_header";
import { JOSEError, JWTClaimValidationFailed } from "jose/errors";
import { createRemoteJWKSet, customFetch, type FetchImplementation } from "jose/jwks/remote";
import { jwtVerify } from "jose/jwt/verify";
import QuickLRU from "quick-lru";
import { sleep } from "../../lib/async.ts";
import { isJsonObject, type JsonObject } from "../../lib/json-object.ts";
import type { AuthFailureReason } from "../../security-events/event.ts";
import type { Log } from "../problems/index.ts";
import { ANONYMOUS, type AuthResult, readScopes, UNAVAILABLE, type VerifyCredentials } from "./principal.ts";

export const JWT_ALGORITHMS = ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

const DEFAULT_ALGORITHMS: readonly JwtAlgorithm[] = ["ES256", "RS256", "EdDSA", "Ed25519"];

/** Difference allowed between the issuer's clock and this one, seconds. */
const CLOCK_TOLERANCE_S = 5;
const MAX_TOKEN_LENGTH = 8 * 1024;
/** Keeps subjects apart from the principals of API keys. */
const PRINCIPAL_PREFIX = "jwt:";
/** UTF-16 code units. */
const MAX_PRINCIPAL_LENGTH = 200;
const CONTROLS = /\p{Cc}/u;

/** Verification costs more than every other step of a request, so an accepted token is cached for this time. */
const CACHE_MS = 10_000;
/** A cached token takes up to 8 KiB. Rejected tokens are not cached: an attacker varies them. */
const MAX_CACHED = 2_000;

/** Access tokens (RFC 9068 §2.1) and JWTs of no declared type. */
const TYPES: readonly unknown[] = ["jwt", "at+jwt", "application/jwt", "application/at+jwt"];

/** An unsigned token has an empty third part. An API key has no dots. */
const FORM = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** base64url without stray bits in the last character (RFC 4648 §3.5): a signature has one spelling. */
const CANONICAL = /^(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?$/;

/** Whether the text has the form of a compact JWT (RFC 7515 §7.1). */
export const looksLikeToken = (text: string): boolean => FORM.test(text);

const CODE_REASONS: Readonly<Partial<Record<string, AuthFailureReason>>> = {
  ERR_JWS_INVALID: "malformed",
  ERR_JWT_INVALID: "malformed",
  ERR_JWT_EXPIRED: "expired",
  ERR_JOSE_ALG_NOT_ALLOWED: "unsupported_algorithm",
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: "bad_signature",
};

const CLAIM_REASONS: Readonly<Partial<Record<string, AuthFailureReason>>> = {
  iss: "wrong_issuer",
  aud: "wrong_audience",
  exp: "no_expiry",
  sub: "no_subject",
};

/** Undefined for errors of the key set. */
const failureReason = (error: unknown): AuthFailureReason | undefined => {
  if (error instanceof JWTClaimValidationFailed) {
    if (error.claim === "nbf" && error.reason === "check_failed") return "not_yet_valid";
    return CLAIM_REASONS[error.claim] ?? "malformed";
  }
  return error instanceof JOSEError ? CODE_REASONS[error.code] : undefined;
};

/** What jose leaves open: tokens have one spelling, use no extensions (RFC 7515 §4.1.11), and are access tokens. */
const headerFault = (
  token: string,
  algorithms: readonly JwtAlgorithm[],
): "malformed" | "unsupported_algorithm" | undefined => {
  if (token.length > MAX_TOKEN_LENGTH || !looksLikeToken(token)) return "malformed";
  if (!token.split(".").every((part) => CANONICAL.test(part))) return "malformed";
  try {
    const { alg, kid, typ, crit, b64 = true } = decodeProtectedHeader(token);
    if (!algorithms.some((algorithm) => algorithm === alg)) return "unsupported_algorithm";
    const isAccessToken = typ === undefined || (typeof typ === "string" && TYPES.includes(typ.toLowerCase()));
    const isPlain = crit === undefined && b64 === true && (kid === undefined || typeof kid === "string");
    return isAccessToken && isPlain ? undefined : "malformed";
  } catch {
    return "malformed";
  }
};

/** Undefined if the subject cannot be stored or logged. */
const principalId = (sub: unknown): string | undefined => {
  if (typeof sub !== "string" || sub === "") return undefined;
  const id = PRINCIPAL_PREFIX + sub;
  return id.length <= MAX_PRINCIPAL_LENGTH && id.isWellFormed() && !CONTROLS.test(id) ? id : undefined;
};

/** The subject of a rejected token is unverified, so it is not reported. */
const refused = (reason: AuthFailureReason): AuthResult => ({ kind: "refused", reason, user: ANONYMOUS });

export interface JwtVerifierOptions {
  /** The exact `iss`. */
  readonly issuer: string | undefined;
  /** Required `aud`. */
  readonly audience: string | undefined;
  readonly jwksUrl: string | undefined;
  /** @default ES256, RS256, EdDSA, Ed25519 */
  readonly algorithms?: readonly JwtAlgorithm[] | undefined;
  readonly fetch: typeof globalThis.fetch;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

const FETCH_TIMEOUT_MS = 3_000;
/** From one fetch to the next; as long as there is no set, from a failed one to the next. */
const COOLDOWN_MS = 60_000;
const RETRY_MS = 1_000;
/** Age at which the set is refreshed. */
const MAX_AGE_MS = 600_000;
const POLL_MS = 20;

interface KeyFetch {
  readonly startedAtMs: number;
  outcome: "pending" | "failed" | JsonObject;
}

/**
 * The issuer's key set, fetched and cached by jose. What jose alone does not hold, around its fetch:
 * - A fetch begins at most once per cooldown, even if fetches fail: jose's own cooldown counts successful ones only.
 * - Concurrent requests share one fetch by polling for its result: jose starts one per request in a Worker, where
 *   requests must not share promises.
 * - An old set is refreshed in the background, and stays in use while the issuer is down: jose's maximum age would end it.
 */
const createIssuerKeys = (issuer: string, jwksUrl: string, { fetch, now, log }: JwtVerifierOptions) => {
  let last: KeyFetch | undefined;

  /** False for a time in the future: the clock was set back. */
  const isRecent = (each: KeyFetch | undefined, ms: number): boolean =>
    each !== undefined && now() >= each.startedAtMs && now() - each.startedAtMs < ms;
  /** A request that the platform ended leaves its fetch pending. */
  const isPending = (each: KeyFetch | undefined): boolean =>
    each?.outcome === "pending" && isRecent(each, FETCH_TIMEOUT_MS);
  const isCoolingDown = (): boolean => isRecent(last, keySet.fresh ? COOLDOWN_MS : RETRY_MS);

  const fetchOnce: FetchImplementation = async (url, options) => {
    const other = last;
    if (other !== undefined && isPending(other)) {
      while (isPending(other)) await sleep(POLL_MS);
      if (typeof other.outcome === "string") throw new Error("another request's fetch failed");
      return Response.json(other.outcome);
    }
    if (isCoolingDown()) throw new Error("the last fetch is too recent");
    const current: KeyFetch = { startedAtMs: now(), outcome: "pending" };
    last = current;
    try {
      const response = await fetch(url, options);
      if (response.status !== 200) throw new Error(`the issuer responded ${response.status}`);
      const document: unknown = await response.json();
      if (!isJsonObject(document) || !Array.isArray(document["keys"])) throw new Error("not a key set");
      current.outcome = document;
      return Response.json(document);
    } catch (error) {
      current.outcome = "failed";
      log({ level: "warn", message: "cannot fetch the issuer's keys", issuer, error: String(error) });
      throw error;
    }
  };

  const keySet = createRemoteJWKSet(new URL(jwksUrl), {
    cooldownDuration: COOLDOWN_MS,
    cacheMaxAge: Number.POSITIVE_INFINITY,
    timeoutDuration: FETCH_TIMEOUT_MS,
    [customFetch]: fetchOnce,
  });

  return {
    keySet,
    /** Starts a fetch of an old set. */
    refresh: (inBackground: (work: Promise<unknown>) => void): void => {
      const intervalMs = last?.outcome === "failed" ? COOLDOWN_MS : MAX_AGE_MS;
      if (keySet.fresh && !isRecent(last, intervalMs) && !isPending(last))
        inBackground(keySet.reload().catch(() => undefined));
    },
  };
};

const withoutSlash = (text: unknown): unknown => (typeof text === "string" ? text.replace(/\/$/, "") : text);

/** Logs once if a signed token's issuer or audience, which have to be equal, differ by a slash at the end only. */
const slashWarning = ({ issuer, audience, log }: JwtVerifierOptions) => {
  const configured = new Map<string, string | undefined>([
    ["iss", issuer],
    ["aud", audience],
  ]);
  return (error: unknown): void => {
    if (!(error instanceof JWTClaimValidationFailed)) return;
    const { claim } = error;
    const expected = configured.get(claim);
    const found = [error.payload[claim]].flat().map(withoutSlash);
    if (expected === undefined || !found.includes(withoutSlash(expected))) return;
    configured.delete(claim);
    const message = "tokens are refused: they differ from the configuration by a slash at the end";
    log({ level: "warn", message, claim, configured: expected });
  };
};

interface CachedResult {
  readonly result: AuthResult;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Undefined without an issuer, an audience and the URL of a key set. */
export const createJwtVerifier = (options: JwtVerifierOptions): VerifyCredentials | undefined => {
  const { issuer, audience, jwksUrl, algorithms = DEFAULT_ALGORITHMS, now } = options;
  if (issuer === undefined || audience === undefined || jwksUrl === undefined) return undefined;
  const { keySet, refresh } = createIssuerKeys(issuer, jwksUrl, options);
  const warnOfSlash = slashWarning(options);
  const accepted = new QuickLRU<string, CachedResult>({ maxSize: MAX_CACHED });
  const rules = {
    algorithms: [...algorithms],
    issuer,
    audience,
    requiredClaims: ["exp", "sub"],
    clockTolerance: CLOCK_TOLERANCE_S,
  };

  const verify: VerifyCredentials = async (token, c) => {
    const fault = headerFault(token, algorithms);
    if (fault !== undefined) return refused(fault);
    const fromMs = now();
    refresh(c.get("waitUntil"));
    try {
      const { payload } = await jwtVerify(token, keySet, { ...rules, currentDate: new Date(now()) });
      const expiresAtMs = (payload.exp ?? Number.NaN) * 1_000;
      // JSON has numbers, such as 1e999, that JavaScript reads as infinity.
      if (!Number.isFinite(expiresAtMs)) return refused("no_expiry");
      const id = principalId(payload.sub);
      if (id === undefined) return refused("no_subject");
      const principal = { id, scopes: readScopes(payload) };
      const result: AuthResult = { kind: "proven", identity: { auth: "jwt", principal } };
      accepted.set(token, { result, fromMs, untilMs: Math.min(fromMs + CACHE_MS, expiresAtMs) });
      return result;
    } catch (error) {
      warnOfSlash(error);
      const reason = failureReason(error) ?? (keySet.fresh ? "unknown_key" : undefined);
      return reason === undefined ? UNAVAILABLE : refused(reason);
    }
  };

  return (token, c, mayVerify) => {
    const cached = accepted.get(token);
    const nowMs = now();
    // A time before `fromMs` means that the clock was set back, so the age is unknown.
    if (cached !== undefined && nowMs >= cached.fromMs && nowMs < cached.untilMs) return cached.result;
    if (mayVerify?.(cached !== undefined) === false) return UNAVAILABLE;
    accepted.delete(token);
    return verify(token, c);
  };
};
