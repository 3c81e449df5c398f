/**
 * Header fields as OTEL_EXPORTER_OTLP_HEADERS names them: `name=value,name=value`, values percent-encoded (OpenTelemetry
 * Protocol Exporter, "Specifying headers via environment variables").
 */

const FIELD = /^\s*([!#$%&'*+.^_`|~0-9a-z-]+)\s*=\s*(\S(?:.*\S)?)\s*$/i;
/** What a field's value may hold (RFC 9110 §5.5), but for what has no one form on the wire. */
const SENDABLE = /^[\t\x20-\x7e]*$/;

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};

/** @returns the fields by their names in lower case; undefined where the text is none */
export const readHeaderList = (text: string): Readonly<Record<string, string>> | undefined => {
  const headers: [string, string][] = [];
  // One comma more at the end is nobody's header.
  for (const part of text.split(",").filter((each) => each.trim() !== "")) {
    const [, name, written] = FIELD.exec(part) ?? [];
    const value = written === undefined ? undefined : decoded(written);
    if (name === undefined || value === undefined || !SENDABLE.test(value)) return undefined;
    headers.push([name.toLowerCase(), value]);
  }
  return headers.length === 0 ? undefined : Object.fromEntries(headers);
};
