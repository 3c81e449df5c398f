/** What may be shown of a value that somebody configured. */

export const MASK = "***";
const MAX_QUOTED = 40;

/**
 * A URL's scheme, host and path. User and password are masked as one, and so is a query, since PostgreSQL's
 * may hold the password. A second `@` means that a password with `/`, `?` or `#` in it was not
 * percent-encoded and that what parses as host and path is a part of it: then only the scheme is shown.
 */
export const maskUrl = (text: string): string => {
  if (!URL.canParse(text)) return MASK;
  const { protocol, username, password, host, pathname, search, hash } = new URL(text);
  if (`${host}${pathname}${search}${hash}`.includes("@")) return `${protocol}//${MASK}`;
  const user = username === "" && password === "" ? "" : `${MASK}@`;
  const path = pathname === "/" ? "" : pathname;
  return `${protocol}//${user}${host}${path}${search === "" ? "" : `?${MASK}`}`;
};

/** A wrong value that is no secret, cut; a URL with a password can have come to the wrong key all the same. */
export const quote = (text: string): string => {
  const masked = text.replace(/\/\/.*@/s, `//${MASK}@`);
  return JSON.stringify(masked.length > MAX_QUOTED ? `${masked.slice(0, MAX_QUOTED)}…` : masked);
};
