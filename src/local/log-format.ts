/** Log lines, which are JSON, as lines for a terminal. */
import { stripVTControlCharacters } from "node:util";
import pinoPretty from "pino-pretty";
import { isJsonObject, type JsonObject } from "../lib/json-object.ts";

/** Fields at the line's beginning, or equal in every line. */
const OMITTED = [
  ...["service\\.name", "service\\.version", "pid", "hostname"],
  ...["requestId", "trace_id", "span_id", "sampled"],
];

/**
 * A formatter of log lines: time of day, level, source, message, the first 8 digits of the trace id and the
 * other fields. The lines of an error's stack follow. Control characters are removed.
 */
export const createLogFormat = (isColored: boolean) => {
  const pretty = pinoPretty.prettyFactory({
    colorize: isColored,
    singleLine: true,
    messageKey: "message",
    translateTime: "SYS:HH:MM:ss.l",
    ignore: OMITTED.join(","),
  });
  /** @param source such as "origin 1" */
  return (source: string, line: string): string => {
    const text = stripVTControlCharacters(line).replaceAll(/(?!\t)\p{Cc}/gu, "");
    const entry = parseEntry(text);
    if (entry === undefined) return text;
    const { message, ...fields } = entry["message"] === "request" ? requestOf(entry) : entry;
    const traceId = String(entry["trace_id"] ?? entry["requestId"] ?? "").slice(0, 8);
    const first = [source.padEnd(8), message, traceId].filter(Boolean).join(" ");
    return pretty({ ...fields, message: first }).trimEnd();
  };
};

/** The line as an object; undefined if it is no JSON object. */
export const parseEntry = (line: string): JsonObject | undefined => {
  try {
    const value: unknown = JSON.parse(line);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

/** With the message `GET /products/:id 200 3.2 ms`. */
const requestOf = (entry: JsonObject): JsonObject => {
  const {
    "http.request.method": method,
    "http.route": route = "(no route)",
    "http.response.status_code": status = "-",
    durationMs,
    ...others
  } = entry;
  return { ...others, message: `${method} ${route} ${status} ${Number(durationMs).toFixed(1)} ms` };
};
