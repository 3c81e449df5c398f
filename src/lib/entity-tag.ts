/** Entity tags and the preconditions that use them (RFC 9110 §8.8.3, §13.1). */

/** A strong entity tag for a version counter. */
export const entityTag = (version: number): string => `"${version}"`;

/** `*`, or the list of entity tags in an If-Match or If-None-Match field. */
const parseTags = (field: string): "*" | string[] =>
  field.trim() === "*" ? "*" : (field.match(/(?<![^\s,])(?:W\/)?"[^"]*"/g) ?? []);

const opaque = (tag: string): string => (tag.startsWith("W/") ? tag.slice(2) : tag);

/** Whether If-None-Match says that the client holds this version: weak comparison (§13.1.2). */
export const noneMatchHolds = (field: string, current: string): boolean => {
  const tags = parseTags(field);
  return tags === "*" || tags.some((tag) => opaque(tag) === opaque(current));
};

/** Whether If-Match allows a change of this version: strong comparison (§13.1.1). */
export const matchHolds = (field: string, current: string): boolean => {
  const tags = parseTags(field);
  return tags === "*" || tags.some((tag) => !tag.startsWith("W/") && tag === current);
};
