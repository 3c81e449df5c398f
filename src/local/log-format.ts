/** Log lines, which are JSON, as lines for a terminal. */
import { styleText } from "node:util";
import { isJsonObject, type JsonObject } from "../lib/json-object.ts";

/** Characters of an entry's line, and of a line that is not JSON. */
const MAX_LINE = 400;
const MAX_PLAIN_LINE = 2_000;
const STACK_LINES = 5;

type Style = "red" | "green" | "yellow" | "cyan" | "dim";
type Part = readonly [text: string, style?: Style | undefined];

const LEVEL_STYLES: Readonly<Record<string, Style>> = {
  ...{ fatal: "red", error: "red", warn: "yellow", info: "green", debug: "dim", trace: "dim" },
};

/** Numeric levels of pino. */
const LEVEL_NAMES: Readonly<Record<string, string>> = {
  ...{ 10: "trace", 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "fatal" },
};

/** Fields that have their own place in the line, or none. */
const OMITTED: ReadonlySet<string> = new Set([
  ...["time", "level", "message", "service.name", "service.version", "pid", "hostname"],
  ...["requestId", "trace_id", "span_id", "sampled"],
]);
const OMITTED_FOR_REQUESTS: ReadonlySet<string> = new Set([
  ...OMITTED,
  ...["http.request.method", "http.route", "http.response.status_code", "durationMs", "cache", "attempts"],
]);

const ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const escaped = (character: string): string => {
  const code = character.charCodeAt(0).toString(16);
  return (
    ESCAPES[character] ?? (code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`)
  );
};

/** Escapes control characters, line separators and bidirectional controls: the result cannot steer a terminal. */
const escapeControls = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu, escaped);

/** The local time of day, as `HH:MM:SS.mmm`. */
export const clockTime = (time: Date): string => {
  const two = (value: number): string => String(value).padStart(2, "0");
  const milliseconds = String(time.getMilliseconds()).padStart(3, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${milliseconds}`;
};

/** In microseconds below a millisecond, in seconds from ten seconds. */
export const durationText = (ms: number): string => {
  if (ms > 0 && ms < 0.9995) return `${Math.round(ms * 1_000)} µs`;
  if (ms < 99.95) return `${ms.toFixed(1)} ms`;
  return ms < 9_999.5 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
};

const truncate = (text: string, maxLength: number): string =>
  text.length <= maxLength ? text : `${text.slice(0, Math.max(maxLength - 1, 0))}…`;

const textOf = (value: unknown): string =>
  escapeControls(typeof value === "string" ? value : (JSON.stringify(value) ?? ""));

/**
 * Formats a log line for a terminal: local time of day, level, source, message, fields and the first 8 digits of the
 * trace id, at most 400 characters. At `error` and `fatal`, the first lines of the error's stack follow. Text that is not
 * a JSON object passes through without its colors, at most 2,000 characters. Control characters are escaped (`\x1b`).
 *
 * @param source such as "origin 1"
 * @param isColored whether to color levels and statuses
 */
export const formatLogLine = (source: string, line: string, isColored: boolean): string => {
  const entry = parse(line);
  if (entry === undefined) {
    const plain = line
      .replaceAll(/\p{Cc}\[[\d;]*m/gu, "")
      .split("\t")
      .map(escapeControls)
      .join("\t");
    return truncate(plain, MAX_PLAIN_LINE);
  }
  const level = truncate(textOf(LEVEL_NAMES[String(entry["level"])] ?? entry["level"] ?? "-"), 9);
  const traceId = textOf(entry["trace_id"] ?? entry["requestId"] ?? "")
    .replaceAll("-", "")
    .slice(0, 8);
  const isRequest = entry["message"] === "request" && "http.request.method" in entry;
  const parts: readonly Part[] = [
    [timeOf(entry), "dim"],
    [level.padEnd(5), LEVEL_STYLES[level]],
    [escapeControls(source).padEnd(8), "cyan"],
    ...(isRequest ? requestParts(entry) : messageParts(entry)),
  ];
  let room = MAX_LINE - (traceId === "" ? 0 : traceId.length + 1);
  const fitting = parts.flatMap(([text, style]): Part[] => {
    if (room < 2) return [];
    const part = truncate(text, room);
    room -= part.length + 1;
    return [[part, style]];
  });
  if (traceId !== "") fitting.push([traceId, "dim"]);
  const paint = ([text, style]: Part): string =>
    isColored && style !== undefined ? styleText(style, text, { validateStream: false }) : text;
  const stack = level === "error" || level === "fatal" ? stackLines(entry) : [];
  return [fitting.map(paint).join(" "), ...stack.map((call) => paint([call, "dim"]))].join("\n");
};

const parse = (line: string): JsonObject | undefined => {
  try {
    const value: unknown = JSON.parse(line);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

const timeOf = ({ time }: JsonObject): string => {
  const date = new Date(typeof time === "string" || typeof time === "number" ? time : Number.NaN);
  return Number.isNaN(date.getTime()) ? "--:--:--.---" : clockTime(date);
};

/** `GET /products/:id 200 3.2 ms hit 2 attempts` */
const requestParts = (entry: JsonObject): Part[] => {
  const { durationMs, cache, attempts } = entry;
  const status = entry["http.response.status_code"] ?? "-";
  return [
    [textOf(entry["http.request.method"])],
    [textOf(entry["http.route"] ?? "(no route)")],
    [textOf(status), Number(status) >= 500 ? "red" : Number(status) >= 400 ? "yellow" : "green"],
    ...(typeof durationMs === "number" ? [[durationText(durationMs)] as const] : []),
    ...(cache === undefined ? [] : [[textOf(cache)] as const]),
    ...(attempts === undefined ? [] : [[`${textOf(attempts)} attempt${attempts === 1 ? "" : "s"}`] as const]),
    ...otherFields(entry, OMITTED_FOR_REQUESTS),
  ];
};

const messageParts = (entry: JsonObject): Part[] => [
  ...("message" in entry ? [[textOf(entry["message"])] as const] : []),
  ...otherFields(entry, OMITTED),
];

const otherFields = (entry: JsonObject, omitted: ReadonlySet<string>): Part[] =>
  Object.entries(entry)
    .filter(([key]) => !omitted.has(key))
    .map(([key, value]) => [fieldText(key, value)]);

const fieldText = (key: string, value: unknown): string => {
  if ((key === "err" || key === "error") && isJsonObject(value)) {
    const { cause } = value;
    return `${key}: ${errorText(value)}${isJsonObject(cause) ? ` (cause: ${errorText(cause)})` : ""}`;
  }
  const isBare = typeof value === "string" && /^[^\s"'=\\]+$/.test(value);
  return escapeControls(`${key}=${isBare ? value : JSON.stringify(value)}`);
};

const errorText = ({ name, type, message }: JsonObject): string => {
  const kind = name ?? type ?? "Error";
  return kind === "Error" ? textOf(message) : `${textOf(kind)}: ${textOf(message)}`;
};

const stackLines = ({ err, error }: JsonObject): string[] => {
  const { stack } = [err, error].find(isJsonObject) ?? {};
  const lines = typeof stack === "string" ? stack.split("\n") : [];
  const calls = lines.map((line) => line.trim()).filter((line) => line.startsWith("at "));
  return calls.slice(0, STACK_LINES).map((call) => truncate(`    ${escapeControls(call)}`, MAX_LINE));
};
