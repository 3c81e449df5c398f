/**
 * API keys: `bwk_<id>_<secret>`. The id finds the record, the secret proves the key. Only the secret's SHA-256 is stored;
 * 256 random bits need no slow hash. The result of a lookup is cached for a short time.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import QuickLRU from "quick-lru";
import { equalInConstantTime, fromBase64Url, toBase64Url } from "../../lib/encoding.ts";
import { isJsonObject } from "../../lib/json-object.ts";
import {
  type AuthContext,
  type AuthResult,
  MALFORMED,
  type Principal,
  UNAVAILABLE,
  type VerifyCredentials,
} from "./principal.ts";

/** The stored part of a key, published to the edge. */
export interface KeyRecord {
  readonly id: string;
  /** SHA-256 of the secret's bytes, base64url. */
  readonly hash: string;
  readonly principal: string;
  readonly scopes: readonly string[];
  /** Epoch milliseconds; null if the key does not expire. */
  readonly expiresAtMs: number | null;
}

export interface PresentedKey {
  readonly id: string;
  readonly secret: Uint8Array;
}

const ID_BYTES = 9;
const SECRET_BYTES = 32;
// Both parts have a fixed length, so the `_` of base64url is not ambiguous.
const FORM = /^bwk_([A-Za-z0-9_-]{12})_([A-Za-z0-9_-]{43})$/;

/** @param random fills a byte array with random bytes */
export const createKey = (
  random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array,
): { id: string; key: string; hash: string } => {
  const id = toBase64Url(random(new Uint8Array(ID_BYTES)));
  const secret = random(new Uint8Array(SECRET_BYTES));
  return { id, key: `bwk_${id}_${toBase64Url(secret)}`, hash: toBase64Url(sha256(secret)) };
};

/** Undefined if the text does not have the form of a key. A key has one spelling: a changed character is another key. */
export const parseKey = (text: string): PresentedKey | undefined => {
  const [, id, encoded] = FORM.exec(text) ?? [];
  const secret = encoded === undefined ? undefined : fromBase64Url(encoded);
  return id === undefined || secret === undefined ? undefined : { id, secret };
};

/** The key's principal, or why the key is invalid. */
export const verifyKey = (
  presented: PresentedKey,
  record: KeyRecord,
  nowMs: number,
): Principal | "wrong_secret" | "expired" => {
  if (!equalInConstantTime(toBase64Url(sha256(presented.secret)), record.hash)) return "wrong_secret";
  if (record.expiresAtMs !== null && record.expiresAtMs <= nowMs) return "expired";
  return { id: record.principal, scopes: record.scopes };
};

/** The hash in Redis with the keys, as the edge reads it: a field per key, and a version. */
export const publishedKeysName = (prefix: string): string => `${prefix}keys`;

/** The field with the snapshot's version; the id of a key never begins with `@`. */
export const VERSION_FIELD = "@version";

export const writeKeyRecord = ({ id: _, ...record }: KeyRecord): string => JSON.stringify(record);

/** Undefined unless `writeKeyRecord` could have written the text. */
export const readKeyRecord = (id: string, text: string): KeyRecord | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? { ...value, id } : undefined;
  } catch {
    return undefined;
  }
};

const isRecord = (value: unknown): value is Omit<KeyRecord, "id"> => {
  if (!isJsonObject(value)) return false;
  const { hash, principal, scopes, expiresAtMs } = value;
  const isPrincipal = typeof principal === "string" && principal.isWellFormed();
  const areScopes = Array.isArray(scopes) && scopes.every((scope) => typeof scope === "string");
  const isExpiry = expiresAtMs === null || typeof expiresAtMs === "number";
  return typeof hash === "string" && isPrincipal && areScopes && isExpiry;
};

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
}

export const apiKeys = ({ lookup, now }: ApiKeysDeps): VerifyCredentials => {
  const accepted = new QuickLRU<string, CachedResult>({ maxSize: MAX_CACHED });
  const rejected = new QuickLRU<string, CachedResult>({ maxSize: MAX_CACHED });

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

  return (key, c, mayVerify) => {
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
    if (mayVerify?.(accepted.has(key)) === false) return UNAVAILABLE;
    return check(key, presented, c);
  };
};
