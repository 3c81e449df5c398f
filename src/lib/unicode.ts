/**
 * Text that is not Unicode: lone surrogates in JSON (RFC 7493 §2.1), and bytes in a query that are not UTF-8; and characters
 * that do not print.
 */

/** Control characters, lone surrogates, and characters without width, that break lines, or that change the direction of text. */
export const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** For a terminal: `\u001b` instead of such a character. */
export const escapeUnprintable = (text: string): string =>
  text.replace(UNPRINTABLE, (character) => {
    const hex = (character.codePointAt(0) ?? 0).toString(16);
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`;
  });

/** Whether JSON text may contain a lone surrogate: only an escape can write one, as the text itself is UTF-8. */
const mayHaveSurrogates = (json: string): boolean => /\\u[dD][89a-fA-F]/.test(json);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

/** Collects the path from its end. */
const collectPath = (value: unknown, path: PropertyKey[]): boolean => {
  if (typeof value === "string") return !value.isWellFormed();
  if (!isObject(value)) return false;
  for (const [name, each] of Object.entries(value)) {
    if (!name.isWellFormed()) return true;
    if (collectPath(each, path)) {
      path.push(Array.isArray(value) ? Number(name) : name);
      return true;
    }
  }
  return false;
};

/**
 * @param value parsed from `json`
 * @returns the path to the first string that is not Unicode, or to the object with such a name; undefined without one
 * @throws RangeError if the value is nested too deeply
 */
export const notUnicodeAt = (json: string, value: unknown): PropertyKey[] | undefined => {
  if (!mayHaveSurrogates(json)) return undefined;
  const path: PropertyKey[] = [];
  return collectPath(value, path) ? path.reverse() : undefined;
};

const ESCAPES = /(?:%[0-9a-f]{2})+/gi;

const isUtf8 = (encoded: string): boolean => {
  try {
    for (const [escapes] of encoded.matchAll(ESCAPES)) decodeURIComponent(escapes);
    return true;
  } catch {
    return false;
  }
};

/** The names of a query's parameters whose escapes are not UTF-8, as URLSearchParams reads them. */
export const notUtf8Parameters = (query: string): string[] =>
  isUtf8(query)
    ? []
    : query
        .slice(query.startsWith("?") ? 1 : 0)
        .split("&")
        .filter((parameter) => !isUtf8(parameter))
        .flatMap((parameter) => [...new URLSearchParams(parameter).keys()]);
