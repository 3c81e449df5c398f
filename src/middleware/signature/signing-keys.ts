/**
 * The keys between the tiers, as one text: `id:base64[,id:base64]`. The first signs; all of them are
 * believed, so that a key is replaced by adding, moving up, removing, one deployment each.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { fromBase64 } from "../../lib/encoding.ts";
import { right, type Variable, variable, wrong } from "../../lib/variables.ts";

export interface SigningKey {
  readonly id: string;
  /** HMAC-SHA256 (RFC 2104) of a text. */
  mac(text: string): Uint8Array;
}

/** As many bytes as the hash yields: less would weaken it, more adds nothing (RFC 2104 §3). */
export const MIN_KEY_BYTES = 32;
const MAX_KEYS = 2;
/** For what is signed of most requests. */
const ROOM_BYTES = 8 * 1024;
/** Of UTF-8, for a UTF-16 code unit. */
const MAX_BYTES_PER_UNIT = 3;

const signingKey = (id: string, secret: Uint8Array): SigningKey => {
  const keyed = hmac.create(sha256, secret);
  const room = new Uint8Array(ROOM_BYTES);
  const encoder = new TextEncoder();
  const bytesOf = (text: string): Uint8Array => {
    if (text.length * MAX_BYTES_PER_UNIT > room.byteLength) return encoder.encode(text);
    return room.subarray(0, encoder.encodeInto(text, room).written);
  };
  return {
    id,
    // To key a hash anew costs as much as a third of it.
    mac: (text) => keyed.clone().update(bytesOf(text)).digest(),
  };
};

/**
 * Parses the text.
 *
 * @returns the keys, the signing one first, or a sentence that says what is wrong (never the key)
 */
export const parseSigningKeys = (text: string): readonly [SigningKey, ...SigningKey[]] | string => {
  const keys: SigningKey[] = [];
  for (const part of text.split(",").map((each) => each.trim())) {
    const [, id, encoded] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]+=*)$/.exec(part) ?? [];
    const secret = encoded === undefined ? undefined : fromBase64(encoded);
    if (id === undefined || secret === undefined) return "must be id:base64, or two of them with a comma";
    if (secret.byteLength < MIN_KEY_BYTES) return `must be keys of at least ${MIN_KEY_BYTES} bytes`;
    if (keys.some((key) => key.id === id)) return "must be keys with different ids";
    keys.push(signingKey(id, secret));
  }
  const [first, ...others] = keys;
  if (first === undefined || keys.length > MAX_KEYS) return `must hold one or ${MAX_KEYS} keys`;
  return [first, ...others];
};

/** The environment variable that holds them. */
export const signingKeysVariable = (): Variable<readonly [SigningKey, ...SigningKey[]]> =>
  variable("must be id:base64", (text) => {
    const keys = parseSigningKeys(text);
    return typeof keys === "string" ? wrong(keys) : right(keys);
  });
