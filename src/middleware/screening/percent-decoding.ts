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

interface CodePoint {
  readonly code: number;
  /** Bytes. */
  readonly length: number;
  readonly isValid: boolean;
}

const REPLACEMENT = 0xfffd;
const STRAY: CodePoint = { code: REPLACEMENT, length: 1, isValid: false };
const MAX_CODE_POINT = 0x10ffff;
/** By the length of a sequence, the first code point that needs it. */
const SHORTEST = [0, 0, 0x80, 0x800, 0x10000, 0x200000, 0x4000000];

const isContinuation = (byte: number | undefined): byte is number =>
  byte !== undefined && byte >= 0x80 && byte <= 0xbf;

/** Up to six: the first UTF-8 had sequences of five and six bytes. 0 if the byte begins no sequence. */
const sequenceLength = (lead: number): number =>
  lead < 0x80 ? 1 : lead < 0xc0 || lead > 0xfd ? 0 : Math.clz32(~(lead << 24));

const readCodePoint = (bytes: readonly number[], at: number): CodePoint => {
  const lead = bytes[at] ?? 0;
  const length = sequenceLength(lead);
  if (length === 1) return { code: lead, length, isValid: true };
  if (length === 0) return STRAY;
  let code = lead & (0x7f >> length);
  for (let next = at + 1; next < at + length; next += 1) {
    const byte = bytes[next];
    if (!isContinuation(byte)) return STRAY;
    code = code * 64 + (byte & 0x3f);
  }
  const isSurrogate = code >= 0xd800 && code <= 0xdfff;
  const isCharacter = code <= MAX_CODE_POINT && !isSurrogate;
  const isValid = code >= (SHORTEST[length] ?? 0) && isCharacter;
  return { code: isCharacter ? code : REPLACEMENT, length, isValid };
};

/** Runs of escapes, and every other `%`. */
const ESCAPES = /(?:%[0-9a-f]{2})+|%/gi;

/** Decodes once. */
export const percentDecode = (text: string): Decoded => {
  let isMalformed = false;
  let hasSeparator = false;
  const decode = (escapes: string): string => {
    const bytes: number[] = [];
    for (let at = 1; at < escapes.length; at += 3) bytes.push(Number.parseInt(escapes.slice(at, at + 2), 16));
    let decoded = "";
    for (let at = 0; at < bytes.length; ) {
      const { code, length, isValid } = readCodePoint(bytes, at);
      decoded += String.fromCodePoint(code);
      isMalformed ||= !isValid;
      hasSeparator ||= code === 0x2f || code === 0x5c;
      at += length;
    }
    return decoded;
  };
  const decoded = text.replace(ESCAPES, (escapes) => {
    if (escapes !== "%") return decode(escapes);
    isMalformed = true;
    return escapes;
  });
  return { text: decoded, isMalformed, hasSeparator };
};
