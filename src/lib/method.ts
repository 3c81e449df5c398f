/** A request's method for telemetry: a closed set (OpenTelemetry, "HTTP semantic conventions", `http.request.method`). */
const KNOWN: readonly string[] = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "CONNECT",
  "TRACE",
];

export const OTHER_METHOD = "_OTHER";

export const knownMethod = (method: string): string => (KNOWN.includes(method) ? method : OTHER_METHOD);

/**
 * What a request's span is called (the same conventions, "Name").
 *
 * @param method as `knownMethod` gives it @param route its template; empty where no route fits
 */
export const spanName = (method: string, route: string): string => {
  const verb = method === OTHER_METHOD ? "HTTP" : method;
  return route === "" ? verb : `${verb} ${route}`;
};
