/** Makes client text safe to put in an event, where people, shells and other parsers read it. */

/** Control characters, lone surrogates, and characters that have no width or change the direction of text. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** This API's keys, JWTs, and credentials after the name of their scheme. */
const SECRETS = /\b(?:bwk_[\w-]{8,}|eyJ[\w-]{8,}(?:\.[\w-]*){0,2}|(?:bearer|basic|splunk) +[\w.~+/=-]{8,})/gi;

/** Most texts need no replacement; these two tests are cheaper than the replacements. */
const PLAIN = /^[ !#-.0-9:;<=>?@A-Z[\]_a-z/]*$/;
const MAY_CONTAIN_SECRET = /bwk_|eyJ|bearer|basic|splunk/i;

/** Only this multiple of the maximum length is searched: a client may send text of any length. */
const SEARCHED_FACTOR = 4;

/**
 * One printable line without anything that looks like a secret. Idempotent.
 *
 * @param maxLength UTF-16 code units
 */
export const sanitize = (text: string, maxLength: number): string => {
  const start = text.slice(0, maxLength * SEARCHED_FACTOR);
  const redacted = MAY_CONTAIN_SECRET.test(start) ? start.replace(SECRETS, "[secret]") : start;
  const printable = PLAIN.test(redacted) ? redacted : redacted.replace(UNPRINTABLE, "\u{fffd}");
  if (printable.length <= maxLength) return printable;
  // A surrogate pair is not split.
  return printable.slice(0, maxLength).replace(/[\ud800-\udbff]$/, "");
};
