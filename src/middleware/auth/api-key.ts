/**
 * API keys: `bwk_<id>_<secret>`. The id finds the record, the secret proves the key. Only the secret's SHA-256 is stored;
 * 256 random bits need no slow hash.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { equalInConstantTime, fromBase64, toBase64Url } from "../../lib/encoding.ts";
import type { Principal } from "./principal.ts";

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

/** Undefined if the text does not have the form of a key. */
export const parseKey = (text: string): PresentedKey | undefined => {
  const [, id, encoded] = FORM.exec(text) ?? [];
  const secret = encoded === undefined ? undefined : fromBase64(encoded);
  return id === undefined || secret === undefined ? undefined : { id, secret };
};

/** The key's principal, or why the key is invalid. */
export const verifyKey = (
  presented: PresentedKey,
  record: KeyRecord,
  nowMs: number,
): Principal | "wrong_secret" | "expired" => {
  const hash = fromBase64(record.hash);
  if (hash === undefined || !equalInConstantTime(sha256(presented.secret), hash)) return "wrong_secret";
  if (record.expiresAtMs !== null && record.expiresAtMs <= nowMs) return "expired";
  return { id: record.principal, scopes: record.scopes };
};

/** The credentials of an `Authorization: Bearer` field (RFC 6750 §2.1). */
export const bearerToken = (authorization: string | null): string | undefined =>
  /^bearer +([^ ]+)$/i.exec(authorization ?? "")?.[1];
