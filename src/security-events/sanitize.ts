/** What of a text may stand in an event: it is read by people, by shells and by other programs' parsers. */

/** Controls, lone surrogates, and what turns the direction of the text around it or has no width. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** An API key of ours, a JWT, and whatever stands behind the name of a scheme that carries a secret. */
const SECRETS = /\b(?:bwk_[\w-]{8,}|eyJ[\w-]{8,}(?:\.[\w-]*){0,2}|(?:bearer|basic|splunk) +[\w.~+/=-]{8,})/gi;

/** Most texts need nothing done to them. */
const PLAIN = /^[ !#-.0-9:;<=>?@A-Z[\]_a-z/]*$/;
const MAY_HOLD_SECRET = /bwk_|eyJ|bearer|basic|splunk/i;

/** A text that is cut has to be cut before it is looked through: it may be as long as a client likes. */
const LOOKED_THROUGH = 4;

/**
 * The text on one line, printable, without what looks like a secret, and no longer than it may be. What it gives it
 * leaves as it is.
 *
 * @param most UTF-16 code units
 */
export const printable = (text: string, most: number): string => {
  const near = text.length > most * LOOKED_THROUGH ? text.slice(0, most * LOOKED_THROUGH) : text;
  const open = MAY_HOLD_SECRET.test(near) ? near.replace(SECRETS, "[secret]") : near;
  const clean = PLAIN.test(open) ? open : open.replace(UNPRINTABLE, "\u{fffd}");
  if (clean.length <= most) return clean;
  const cut = clean.slice(0, most);
  // A pair is not cut in two.
  return /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut;
};
