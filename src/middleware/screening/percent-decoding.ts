/**
 * Percent-decoding (RFC 3986 §2.1) as the most forgiving server might do it: what is wrong is noted, and read all the
 * same. So overlong UTF-8 (`%c0%ae` for a dot), which decoders must refuse (RFC 3629 §3), is read as what it was meant
 * to get past.
 */

export interface Decoded {
  readonly text: string;
  /** A `%` begins no escape, or escapes are no UTF-8. */
  readonly isMalformed: boolean;
  /** An escape stood for `/` or `\`. */
  readonly hasSeparator: boolean;
}

interface CodePoint {
  readonly code: number;
  /** Bytes that it takes. */
  readonly length: number;
  readonly isValid: boolean;
}

const REPLACEMENT = 0xfffd;
const STRAY: CodePoint = { code: REPLACEMENT, length: 1, isValid: false };
const MAX_CODE_POINT = 0x10ffff;
/** By the length of a sequence: below that a code point has a shorter one. */
const SHORTEST = [0, 0, 0x80, 0x800, 0x10000, 0x200000, 0x4000000];

const isContinuation = (byte: number | undefined): byte is number =>
  byte !== undefined && byte >= 0x80 && byte <= 0xbf;

/** Sequences of five and six bytes are none any more, but have been. */
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
  const isValid = code >= (SHORTEST[length] ?? 0) && code <= MAX_CODE_POINT && !isSurrogate;
  return { code: code <= MAX_CODE_POINT && !isSurrogate ? code : REPLACEMENT, length, isValid };
};

const hexadecimalDigit = (code: number): number => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
};

/** -1 where no escape begins there. */
const escapedByte = (text: string, at: number): number => {
  if (text[at] !== "%" || at + 2 >= text.length) return -1;
  const high = hexadecimalDigit(text.charCodeAt(at + 1));
  const low = hexadecimalDigit(text.charCodeAt(at + 2));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
};

/** One round of it. */
export const percentDecode = (text: string): Decoded => {
  let decoded = "";
  let isMalformed = false;
  let hasSeparator = false;
  let at = 0;
  while (at < text.length) {
    const percent = text.indexOf("%", at);
    const end = percent < 0 ? text.length : percent;
    decoded += text.slice(at, end);
    at = end;
    const bytes: number[] = [];
    for (let byte = escapedByte(text, at); byte >= 0; byte = escapedByte(text, at)) {
      bytes.push(byte);
      at += 3;
    }
    if (bytes.length === 0 && at < text.length) {
      decoded += "%";
      at += 1;
      isMalformed = true;
    }
    for (let next = 0; next < bytes.length; ) {
      const { code, length, isValid } = readCodePoint(bytes, next);
      decoded += String.fromCodePoint(code);
      if (!isValid) isMalformed = true;
      if (code === 0x2f || code === 0x5c) hasSeparator = true;
      next += length;
    }
  }
  return { text: decoded, isMalformed, hasSeparator };
};
