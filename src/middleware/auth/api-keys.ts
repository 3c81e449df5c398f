/** Checks API keys: by a lookup, whose result is cached for a short time. */
import { createBoundedMap } from "../../lib/bounded-map.ts";
import type { RateLimiter, RouteLimits } from "../rate-limit/index.ts";
import { type KeyRecord, type PresentedKey, parseKey, verifyKey } from "./api-key.ts";
import {
  type AuthContext,
  type AuthResult,
  type CheckCredentials,
  MALFORMED,
  provenPrincipal,
  UNAVAILABLE,
} from "./result.ts";

export type KeyLookupResult =
  | { readonly kind: "found"; readonly record: KeyRecord }
  | { readonly kind: "unknown" }
  | { readonly kind: "unavailable" };

/** Finds the record of an API key by its id. */
export type KeyLookup = (id: string, c: AuthContext) => Promise<KeyLookupResult>;

/** With the 5 s for which Redis may hold a stale record, a revoked key is rejected everywhere within 10 s. */
const CACHE_MS = 5_000;
/** Age at which a result is renewed in the background, so that a busy client never waits. */
const REFRESH_AFTER_MS = 2_500;
/** Per cache. Rejected keys have their own, so that guesses cannot evict valid keys. */
const MAX_CACHED = 10_000;

interface CachedResult {
  readonly result: AuthResult;
  readonly fromMs: number;
  readonly untilMs: number;
  /** Infinity once a refresh has begun. */
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
  const accepted = createBoundedMap<CachedResult>(MAX_CACHED);
  const rejected = createBoundedMap<CachedResult>(MAX_CACHED);

  const resultOf = (
    presented: PresentedKey,
    found: Exclude<KeyLookupResult, { kind: "unavailable" }>,
  ): AuthResult => {
    const user = `key:${presented.id}`;
    if (found.kind === "unknown") return { kind: "refused", reason: "unknown_key", user };
    const verified = verifyKey(presented, found.record, now());
    return typeof verified === "string"
      ? { kind: "refused", reason: verified, user }
      : { kind: "proven", identity: { auth: "api-key", principal: verified } };
  };

  const check = async (key: string, presented: PresentedKey, c: AuthContext): Promise<AuthResult> => {
    const fromMs = now();
    const found = await lookup(presented.id, c);
    if (found.kind === "unavailable") return UNAVAILABLE;
    const result = resultOf(presented, found);
    const isProven = result.kind === "proven";
    const expiresAtMs = found.kind === "found" && isProven ? found.record.expiresAtMs : null;
    const untilMs = Math.min(fromMs + CACHE_MS, expiresAtMs ?? Number.POSITIVE_INFINITY);
    const refreshAtMs = isProven ? fromMs + REFRESH_AFTER_MS : Number.POSITIVE_INFINITY;
    accepted.delete(key);
    rejected.delete(key);
    (isProven ? accepted : rejected).set(key, { result, fromMs, untilMs, refreshAtMs });
    return result;
  };

  return (key, c) => {
    const nowMs = now();
    const last = accepted.get(key) ?? rejected.get(key);
    // A time before `fromMs` means that the clock was set back, so the age is unknown.
    const cached = last !== undefined && nowMs >= last.fromMs && nowMs < last.untilMs ? last : undefined;
    if (cached !== undefined && nowMs < cached.refreshAtMs) return cached.result;
    const presented = parseKey(key);
    if (presented === undefined) return MALFORMED;
    if (cached !== undefined) {
      cached.refreshAtMs = Number.POSITIVE_INFINITY;
      c.get("waitUntil")(check(key, presented, c));
      return cached.result;
    }
    const principal = provenPrincipal(last?.result)?.id;
    const needed = limits(c.get("route").route.policy.limit).filter(
      ({ per }) => per === "client" || principal !== undefined,
    );
    limiter.prefetch(needed, { address: c.get("client").name, principal }, c.get("waitUntil"));
    return check(key, presented, c);
  };
};
