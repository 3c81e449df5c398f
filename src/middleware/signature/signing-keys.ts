/** The keys by which the edge signs requests, and the origin verifies them. */
import { fromBase64, toBase64 } from "../../lib/encoding.ts";
import { MASK, parsed } from "../../lib/variables.ts";

/** @template Mac base64: a promise by WebCrypto at the edge, text by Node's faster HMAC at the origin */
export interface SigningKey<Mac extends MaybePromise<string> = string> {
  readonly id: string;
  /** HMAC-SHA256 (RFC 2104) of a text, base64. */
  mac(text: string): Mac;
}

export type AsyncSigningKey = SigningKey<MaybePromise<string>>;

type MaybePromise<T> = T | Promise<T>;

/** Makes the HMAC-SHA256 of a secret. */
export type Hmac<Mac> = (secret: Uint8Array<ArrayBuffer>) => (text: string) => Mac;

/** The output size of the hash: a shorter key is weaker, a longer one no stronger (RFC 2104 §3). */
export const MIN_KEY_BYTES = 32;
const MAX_KEYS = 2;

/** At the edge, WebCrypto takes half the time of a JavaScript implementation. */
export const webCryptoHmac: Hmac<Promise<string>> = (secret) => {
  const encoder = new TextEncoder();
  let key: CryptoKey | undefined;
  return async (text) => {
    key ??= await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    return toBase64(new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text))));
  };
};

/**
 * The configuration's type of the keys between the tiers, as one text: `id:base64[,id:base64]`. The first key
 * signs, each verifies: a key is rotated by adding the new one, moving it up and removing the old one, a
 * deployment each.
 */
export const signingKeys = <Mac extends MaybePromise<string>>(hmac: Hmac<Mac>) =>
  parsed(
    `id:base64 of at least ${MIN_KEY_BYTES} bytes, or two of them with a comma between, the signing one first`,
    (text) => parseSigningKeys(text, hmac),
    { isSecret: true, mask: (text) => text.replace(/:[^,]*/g, `:${MASK}`) },
  );

/** @returns the keys, the signing one first; undefined if the text is wrong */
export const parseSigningKeys = <Mac extends MaybePromise<string>>(
  text: string,
  hmac: Hmac<Mac>,
): readonly [SigningKey<Mac>, ...SigningKey<Mac>[]] | undefined => {
  const keys: SigningKey<Mac>[] = [];
  for (const part of text.split(",").map((each) => each.trim())) {
    const [, id, encoded] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]+=*)$/.exec(part) ?? [];
    const secret = encoded === undefined ? undefined : fromBase64(encoded);
    if (id === undefined || secret === undefined || secret.byteLength < MIN_KEY_BYTES) return undefined;
    if (keys.some((key) => key.id === id)) return undefined;
    keys.push({ id, mac: hmac(secret) });
  }
  const [first, ...others] = keys;
  return first === undefined || keys.length > MAX_KEYS ? undefined : [first, ...others];
};
