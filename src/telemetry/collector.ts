/** A collector's address and headers, as configured. */

/** The default ports (OTLP 1.x, "OTLP/gRPC Default Port", "OTLP/HTTP Default Port"). */
const GRPC_PORT = ":4317";
const HTTP_PORT = ":4318";

/** The path of one signal; the configured address is the base of all. */
const SIGNAL_PATH = /\/+v1\/(?:traces|metrics|logs)$/;

interface CollectorAddress {
  /** Without a trailing slash: `/v1/traces` is below it. */
  readonly url: string;
  /** Whether gRPC's port was replaced by HTTP's, or a signal's path or a query was removed. */
  readonly isCorrected: boolean;
}

export const CORRECTED =
  "the collector's address must be the base of all signals, with the port of OTLP over HTTP: this one is used";

/** @param text an absolute URL */
export const collectorAddress = (text: string): CollectorAddress => {
  const { protocol, host, pathname, search } = new URL(text);
  const hasGrpcPort = host.endsWith(GRPC_PORT);
  const authority = hasGrpcPort ? `${host.slice(0, -GRPC_PORT.length)}${HTTP_PORT}` : host;
  const path = pathname.replace(/\/+$/, "");
  const base = path.replace(SIGNAL_PATH, "");
  return {
    url: `${protocol}//${authority}${base}`,
    isCorrected: hasGrpcPort || base !== path || search !== "",
  };
};

const FIELD = /^\s*([!#$%&'*+.^_`|~0-9a-z-]+)\s*=\s*(\S(?:.*\S)?)\s*$/i;
/** Visible ASCII, spaces and tabs (RFC 9110 §5.5). */
const SENDABLE = /^[\t\x20-\x7e]*$/;

/** @returns undefined if the text is not percent-encoded UTF-8 */
export const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};

/** @returns the fields by lower-case name; undefined if the text is malformed */
export const readHeaderList = (text: string): Readonly<Record<string, string>> | undefined => {
  const headers: [string, string][] = [];
  // A trailing comma is allowed.
  for (const part of text.split(",").filter((each) => each.trim() !== "")) {
    const [, name, written] = FIELD.exec(part) ?? [];
    const value = written === undefined ? undefined : decoded(written);
    if (name === undefined || value === undefined || !SENDABLE.test(value)) return undefined;
    headers.push([name.toLowerCase(), value]);
  }
  return headers.length === 0 ? undefined : Object.fromEntries(headers);
};
