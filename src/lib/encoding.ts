/** Base64 (RFC 4648 §4, §5) of short byte strings: keys, digests, nonces. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** `btoa` needs the bytes as text, and making that text costs more than this. */
export const toBase64 = (bytes: Uint8Array): string => {
  let encoded = "";
  for (let at = 0; at < bytes.byteLength; at += 3) {
    const [a = 0, b, c] = [bytes[at], bytes[at + 1], bytes[at + 2]];
    encoded += ALPHABET.charAt(a >> 2) + ALPHABET.charAt(((a & 3) << 4) | ((b ?? 0) >> 4));
    encoded += b === undefined ? "=" : ALPHABET.charAt(((b & 15) << 2) | ((c ?? 0) >> 6));
    encoded += c === undefined ? "=" : ALPHABET.charAt(c & 63);
  }
  return encoded;
};

export const toBase64Url = (bytes: Uint8Array): string =>
  toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** Accepts either alphabet, with or without padding; undefined for other text. */
export const fromBase64 = (encoded: string): Uint8Array<ArrayBuffer> | undefined => {
  // atob alone would accept white space.
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(encoded)) return undefined;
  try {
    const binary = atob(encoded.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
    return bytes;
  } catch {
    return undefined;
  }
};

/** Compares without revealing by its duration where two texts differ; their lengths are no secret. */
export const equalInConstantTime = (a: string, b: string): boolean => {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i += 1) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
};
