/** Base64 (RFC 4648 §4, §5). `Uint8Array` has methods for it, which Node 24 lacks. */

/** Bytes per call of `fromCharCode`, whose number of arguments is limited. */
const CHUNK_BYTES = 8_192;

export const toBase64 = (bytes: Uint8Array): string => {
  let binary = "";
  // Spreading the bytes would take four times as long.
  for (let from = 0; from < bytes.byteLength; from += CHUNK_BYTES)
    binary += Reflect.apply(String.fromCharCode, undefined, bytes.subarray(from, from + CHUNK_BYTES));
  return btoa(binary);
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

/** Accepts only what `toBase64Url` writes: without padding and without stray bits (RFC 4648 §3.5), each value has one spelling. */
export const fromBase64Url = (encoded: string): Uint8Array<ArrayBuffer> | undefined => {
  const bytes = fromBase64(encoded);
  return bytes !== undefined && toBase64Url(bytes) === encoded ? bytes : undefined;
};

/** The duration does not reveal where two texts of equal length differ. */
export const equalInConstantTime = (a: string, b: string): boolean => {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i += 1) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
};
