/** Entity tags and preconditions (RFC 9110 §8.8.3, §13.1), media types and methods. */

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

/** Whether a Content-Type is JSON in UTF-8 (RFC 8259; RFC 9110 §8.3). */
export const isJson = (contentType: string | null): boolean => {
  const [type = "", ...parameters] = (contentType ?? "").toLowerCase().split(";");
  const charset = parameters
    .map((parameter) => parameter.trim())
    .find((parameter) => parameter.startsWith("charset="));
  return type.trim() === "application/json" && (charset === undefined || /^charset="?utf-8"?$/.test(charset));
};

const METHODS = "GET HEAD POST PUT PATCH DELETE OPTIONS CONNECT TRACE".split(" ");

export const OTHER_METHOD = "_OTHER";

/** For telemetry: a closed set (OpenTelemetry, "HTTP semantic conventions", `http.request.method`). */
export const knownMethod = (method: string): string => (METHODS.includes(method) ? method : OTHER_METHOD);

/** By the same conventions. @param method from `knownMethod` @param route its template; empty if no route matched */
export const spanName = (method: string, route: string): string => {
  const verb = method === OTHER_METHOD ? "HTTP" : method;
  return route === "" ? verb : `${verb} ${route}`;
};
