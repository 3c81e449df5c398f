/**
 * The keys between the tiers, as one text: `id:base64[,id:base64]`. The first signs; all of them are
 * believed, so that a key is replaced by adding, moving up, removing, one deployment each.
 */
import { fromBase64, toBase64 } from "../../lib/encoding.ts";
import { right, type Variable, variable, wrong } from "../../lib/variables.ts";

/** @template Mac base64, at once or as a promise: WebCrypto has no other way, and Node's own HMAC is faster */
export interface SigningKey<Mac extends MaybePromise<string> = string> {
  readonly id: string;
  /** HMAC-SHA256 (RFC 2104) of a text, base64. */
  mac(text: string): Mac;
}

/** One that may take a promise's time. */
export type AsyncSigningKey = SigningKey<MaybePromise<string>>;

type MaybePromise<T> = T | Promise<T>;

/** Makes the HMAC-SHA256 of a secret. */
export type Hmac<Mac> = (secret: Uint8Array<ArrayBuffer>) => (text: string) => Mac;

/** As many bytes as the hash yields: less would weaken it, more adds nothing (RFC 2104 §3). */
export const MIN_KEY_BYTES = 32;
const MAX_KEYS = 2;

/** WebCrypto's: at the edge it takes half the time of a JavaScript implementation. */
export const webCryptoHmac: Hmac<Promise<string>> = (secret) => {
  const encoder = new TextEncoder();
  let key: CryptoKey | undefined;
  return async (text) => {
    key ??= await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    return toBase64(new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text))));
  };
};

/**
 * Parses the text.
 *
 * @returns the keys, the signing one first, or a sentence that says what is wrong (never the key)
 */
export const parseSigningKeys = <Mac extends MaybePromise<string>>(
  text: string,
  hmac: Hmac<Mac>,
): readonly [SigningKey<Mac>, ...SigningKey<Mac>[]] | string => {
  const keys: SigningKey<Mac>[] = [];
  for (const part of text.split(",").map((each) => each.trim())) {
    const [, id, encoded] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]+=*)$/.exec(part) ?? [];
    const secret = encoded === undefined ? undefined : fromBase64(encoded);
    if (id === undefined || secret === undefined) return "must be id:base64, or two of them with a comma";
    if (secret.byteLength < MIN_KEY_BYTES) return `must be keys of at least ${MIN_KEY_BYTES} bytes`;
    if (keys.some((key) => key.id === id)) return "must be keys with different ids";
    keys.push({ id, mac: hmac(secret) });
  }
  const [first, ...others] = keys;
  if (first === undefined || keys.length > MAX_KEYS) return `must hold one or ${MAX_KEYS} keys`;
  return [first, ...others];
};

/** The edge's environment variable that holds them. */
export const signingKeysVariable = (): Variable<readonly [AsyncSigningKey, ...AsyncSigningKey[]]> =>
  variable("must be id:base64", (text) => {
    const keys = parseSigningKeys(text, webCryptoHmac);
    return typeof keys === "string" ? wrong(keys) : right(keys);
  });
