/** JSON that is one line whatever reads it, and how many bytes it takes. */

/**
 * What JSON leaves as it is and some program does not: DEL and C1 controls steer terminals, the two separators end
 * lines, format characters turn the direction of what stands around them.
 */
const UNSAFE = /[\u007f-\u009f\u2028\u2029\p{Cf}]/gu;

const escaped = (character: string): string => {
  let text = "";
  for (let index = 0; index < character.length; index += 1) {
    text += `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`;
  }
  return text;
};

/** Most lines: none of the above. */
const PRINTABLE = /^[ -~]*$/;

/** @param value plain: of texts, finite numbers, booleans, null, and lists and objects of these */
export const jsonText = (value: unknown): string => {
  const text = JSON.stringify(value);
  return PRINTABLE.test(text) ? text : text.replace(UNSAFE, escaped);
};

/** Bytes of UTF-8. */
export const byteLength = (text: string): number => {
  let bytes = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    // A surrogate is one half of four bytes.
    bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return bytes;
};

/** Bytes of its JSON, without the quotes. */
export const textBytes = (text: string): number => byteLength(jsonText(text)) - 2;

const ELLIPSIS = "…";
const ELLIPSIS_BYTES = 3;

/** What JSON writes as it is, in one byte. */
const OPEN = /^[ !#-[\]-~]$/;

/** The beginning of a text, with `…` after it, so that its JSON takes no more than these bytes without the quotes. */
export const cutText = (text: string, mostBytes: number): string => {
  // A unit takes a byte at least.
  if (text.length <= mostBytes && textBytes(text) <= mostBytes) return text;
  let left = mostBytes - ELLIPSIS_BYTES;
  let end = 0;
  for (const character of text) {
    left -= OPEN.test(character) ? 1 : textBytes(character);
    if (left < 0) break;
    end += character.length;
  }
  return `${text.slice(0, end)}${ELLIPSIS}`;
};
