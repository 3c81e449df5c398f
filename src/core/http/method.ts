/** A request's method for telemetry: a closed set (OpenTelemetry, "HTTP semantic conventions", `http.request.method`). */
const KNOWN: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

export const OTHER_METHOD = "_OTHER";

export const knownMethod = (method: string): string => (KNOWN.includes(method) ? method : OTHER_METHOD);
