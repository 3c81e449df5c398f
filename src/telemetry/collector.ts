/** A collector's address and headers, as configured. */

/** The default ports (OTLP 1.x, "OTLP/gRPC Default Port", "OTLP/HTTP Default Port"). */
const GRPC_PORT = ":4317";
const HTTP_PORT = ":4318";

export interface CollectorAddress {
  /** Without a trailing slash: `/v1/traces` is below it. */
  readonly url: string;
  /** Whether the port of gRPC was configured, and the one of HTTP is used instead. */
  readonly isOtherPort: boolean;
}

/** @param text an absolute URL */
export const collectorAddress = (text: string): CollectorAddress => {
  const { protocol, host, pathname } = new URL(text);
  const isOtherPort = host.endsWith(GRPC_PORT);
  const authority = isOtherPort ? `${host.slice(0, -GRPC_PORT.length)}${HTTP_PORT}` : host;
  return { url: `${protocol}//${authority}${pathname.replace(/\/+$/, "")}`, isOtherPort };
};

const FIELD = /^\s*([!#$%&'*+.^_`|~0-9a-z-]+)\s*=\s*(\S(?:.*\S)?)\s*$/i;
/** Visible ASCII, spaces and tabs (RFC 9110 §5.5). */
const SENDABLE = /^[\t\x20-\x7e]*$/;

const decoded = (text: string): string | undefined => {
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
