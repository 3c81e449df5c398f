/**
 * Percent-decoding (RFC 3986 §2.1) as the most lenient server might do it: errors are reported, and decoded all the same.
 * Overlong UTF-8 (`%c0%ae` for a dot), which decoders must reject (RFC 3629 §3), becomes the character that it disguises.
 */

export interface Decoded {
  readonly text: string;
  /** A `%` begins no escape, or escapes are not UTF-8. */
  readonly isMalformed: boolean;
  /** An escape stands for `/` or `\`. */
  readonly hasSeparator: boolean;
}

/** Runs of escapes, and every other `%`. */
const ESCAPES = /(?:%[0-9a-f]{2})+|%/gi;

/** ASCII in two to six bytes; the first UTF-8 had sequences of five and six. No valid sequence contains these bytes. */
const OVERLONG =
  /(?:[\xc0\xc1]|\xe0[\x80\x81]|\xf0\x80[\x80\x81]|\xf8\x80\x80[\x80\x81]|\xfc\x80\x80\x80[\x80\x81])[\x80-\xbf]/g;

/** The character that an overlong sequence disguises: its last seven bits. */
const shortened = (sequence: string): string => {
  const [high = 0, low = 0] = [...sequence.slice(-2)].map((byte) => byte.charCodeAt(0));
  return String.fromCharCode(((high & 1) << 6) | (low & 0x3f));
};

const decodeUtf8 = (bytes: Uint8Array, fatal: boolean): string =>
  new TextDecoder("utf-8", { fatal, ignoreBOM: true }).decode(bytes);

/** Decodes once. */
export const percentDecode = (text: string): Decoded => {
  let isMalformed = false;
  const decode = (escapes: string): string => {
    const binary = escapes.replace(/%(..)/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)));
    const plain = binary.replace(OVERLONG, shortened);
    isMalformed ||= plain !== binary;
    const bytes = Uint8Array.from(plain, (byte) => byte.charCodeAt(0));
    try {
      return decodeUtf8(bytes, true);
    } catch {
      isMalformed = true;
      return decodeUtf8(bytes, false);
    }
  };
  let hasSeparator = false;
  const decoded = text.replace(ESCAPES, (escapes) => {
    if (escapes === "%") {
      isMalformed = true;
      return escapes;
    }
    const characters = decode(escapes);
    hasSeparator ||= /[/\\]/.test(characters);
    return characters;
  });
  return { text: decoded, isMalformed, hasSeparator };
};
