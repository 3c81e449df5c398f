/** Entity tags and preconditions (RFC 9110 §8.8.3, §13.1), media types and methods. */

/** A strong entity tag for a version counter. */
export const entityTag = (version: number): string => `"${version}"`;

/** A whole list of entity tags (RFC 9110 §5.6.1, §8.8.3). */
const TAG_LIST = /^[\t ,]*(?:(?:W\/)?"[^"]*"(?:[\t ]*,[\t ,]*|[\t ]*$))*$/;

/** `*`, or the list of entity tags in an If-Match or If-None-Match field; a malformed field has none. */
const parseTags = (field: string): "*" | string[] => {
  if (field.trim() === "*") return "*";
  return TAG_LIST.test(field) ? (field.match(/(?:W\/)?"[^"]*"/g) ?? []) : [];
};

const opaque = (tag: string): string => (tag.startsWith("W/") ? tag.slice(2) : tag);

/** Whether If-None-Match contains this version, by weak comparison (§13.1.2). */
export const noneMatchHolds = (field: string, current: string): boolean => {
  const tags = parseTags(field);
  return tags === "*" || tags.some((tag) => opaque(tag) === opaque(current));
};

/** The strong tags in an If-Match field, or `*` for any version (§13.1.1). */
export const strongTags = (field: string): "*" | string[] => {
  const tags = parseTags(field);
  return tags === "*" ? tags : tags.filter((tag) => !tag.startsWith("W/"));
};

/** Whether If-Match contains this version, by strong comparison (§13.1.1). */
export const matchHolds = (field: string, current: string): boolean => {
  const tags = strongTags(field);
  return tags === "*" || tags.includes(current);
};

/** Whether a Content-Type is JSON in UTF-8 (RFC 8259; RFC 9110 §8.3). Many clients write `utf8`. */
export const isJson = (contentType = ""): boolean => {
  const [type = "", ...parameters] = contentType.toLowerCase().split(";");
  const charset = parameters
    .map((parameter) => parameter.trim())
    .find((parameter) => parameter.startsWith("charset="));
  return (
    type.trim() === "application/json" && (charset === undefined || /^charset="?utf-?8"?$/.test(charset))
  );
};

const METHODS = "GET HEAD POST PUT PATCH DELETE OPTIONS CONNECT TRACE".split(" ");

export const OTHER_METHOD = "_OTHER";

/** For telemetry: a closed set (OpenTelemetry, "HTTP semantic conventions", `http.request.method`). */
export const knownMethod = (method: string): string => (METHODS.includes(method) ? method : OTHER_METHOD);

/** By the same conventions. @param method from `knownMethod` @param route empty if none matched */
export const spanName = (method: string, route: string): string => {
  const verb = method === OTHER_METHOD ? "HTTP" : method;
  return route === "" ? verb : `${verb} ${route}`;
};
