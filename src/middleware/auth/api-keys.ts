/** API keys: found out by a look-up, believed for a while. */
import { createBoundedMap } from "../../lib/bounded-map.ts";
import type { RateLimiter, RouteLimits } from "../rate-limit/index.ts";
import { type PresentedKey, parseKey, verifyKey } from "./api-key.ts";
import type { KeyFinding, KeyLookup } from "./key-lookup.ts";
import {
  type AuthContext,
  type AuthResult,
  type CheckCredentials,
  MALFORMED,
  UNAVAILABLE,
} from "./result.ts";

/**
 * How long an isolate believes what it has found out about a key. With the time for which Redis may hold what an origin
 * could not renew, that is the 10 s for which a revoked one may live.
 */
const VERDICT_LIFETIME_MS = 5_000;
/** From then on it is looked up again in the background, so that nobody who asks often waits for it. */
const REFRESH_AFTER_MS = 2_500;
/** Verdicts kept; guesses have a room of their own, so that they cannot push out what is valid. */
const MAX_VERDICTS = 10_000;

const provenId = (result: AuthResult | undefined): string | undefined =>
  result?.kind === "proven" ? result.identity.principal.id : undefined;

interface CachedVerdict {
  readonly credentials: AuthResult;
  readonly fromMs: number;
  readonly untilMs: number;
  /** Infinity where somebody does so. */
  refreshAtMs: number;
}

export interface ApiKeysDeps {
  readonly lookup: KeyLookup;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Takes rate-limit tokens while a key is looked up, so that the two round trips overlap. */
  readonly prefetch: { readonly limiter: RateLimiter; readonly limits: RouteLimits };
}

export const apiKeys = ({ lookup, now, prefetch: { limiter, limits } }: ApiKeysDeps): CheckCredentials => {
  const accepted = createBoundedMap<CachedVerdict>(MAX_VERDICTS);
  const refused = createBoundedMap<CachedVerdict>(MAX_VERDICTS);

  const judge = (
    presented: PresentedKey,
    found: Exclude<KeyFinding, { kind: "unavailable" }>,
  ): AuthResult => {
    const user = `key:${presented.id}`;
    if (found.kind === "unknown") return { kind: "refused", reason: "unknown_key", user };
    const verified = verifyKey(presented, found.record, now());
    return typeof verified === "string"
      ? { kind: "refused", reason: verified, user }
      : { kind: "proven", identity: { auth: "api-key", principal: verified } };
  };

  const remember = (key: string, verdict: CachedVerdict): void => {
    accepted.delete(key);
    refused.delete(key);
    (verdict.credentials.kind === "proven" ? accepted : refused).set(key, verdict);
  };

  const lookUp = async (key: string, presented: PresentedKey, c: AuthContext): Promise<AuthResult> => {
    const askedAtMs = now();
    const found = await lookup(presented.id, c);
    if (found.kind === "unavailable") return UNAVAILABLE;
    const credentials = judge(presented, found);
    const isProven = credentials.kind === "proven";
    const expiresAtMs =
      (found.kind === "found" && isProven ? found.record.expiresAtMs : null) ?? Number.POSITIVE_INFINITY;
    const untilMs = Math.min(askedAtMs + VERDICT_LIFETIME_MS, expiresAtMs);
    const refreshAtMs = isProven ? askedAtMs + REFRESH_AFTER_MS : Number.POSITIVE_INFINITY;
    remember(key, { credentials, fromMs: askedAtMs, untilMs, refreshAtMs });
    return credentials;
  };

  return (key, c) => {
    const nowMs = now();
    const last = accepted.get(key) ?? refused.get(key);
    // A clock that was set back says nothing about how long it has been believed.
    const isBelieved = last !== undefined && nowMs >= last.fromMs && nowMs < last.untilMs;
    const verdict = isBelieved ? last : undefined;
    if (verdict !== undefined && nowMs < verdict.refreshAtMs) return verdict.credentials;
    const presented = parseKey(key);
    if (presented === undefined) return MALFORMED;
    if (verdict !== undefined) {
      verdict.refreshAtMs = Number.POSITIVE_INFINITY;
      c.get("waitUntil")(lookUp(key, presented, c));
      return verdict.credentials;
    }
    const principal = provenId(last?.credentials);
    const known = limits(c.get("route").route.policy.limit).filter(
      ({ per }) => per === "client" || principal !== undefined,
    );
    limiter.prefetch(known, { address: c.get("client").name, principal }, c.get("waitUntil"));
    return lookUp(key, presented, c);
  };
};
