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

/** Fields that have their own place in the line, or none. */
const OMITTED: readonly string[] = [
  ...["time", "level", "message", "service.name", "service.version", "pid", "hostname"],
  ...["requestId", "trace_id", "span_id", "sampled"],
];
const OMITTED_FOR_REQUESTS: readonly string[] = [
  ...["http.request.method", "http.route", "http.response.status_code", "durationMs", "cache", "attempts"],
];

/** Escapes control characters, line separators and bidirectional controls: the result cannot steer a terminal. */
const escapeControls = (text: string): string =>
  text.replaceAll(/(?!\t)[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\r") return "\\r";
    const code = character.charCodeAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`;
  });

const truncate = (text: string, maxLength: number): string =>
  text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;

const textOf = (value: unknown): string =>
  escapeControls(typeof value === "string" ? value : (JSON.stringify(value) ?? ""));

/** The local time of day, as `HH:MM:SS.mmm`. */
export const clockTime = (time: Date): string =>
  Number.isNaN(time.getTime())
    ? "--:--:--.---"
    : `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, "0")}`;

/** In microseconds below a millisecond, in seconds from ten seconds. */
export const durationText = (ms: number): string => {
  if (ms > 0 && ms < 0.9995) return `${Math.round(ms * 1_000)} µs`;
  if (ms < 99.95) return `${ms.toFixed(1)} ms`;
  return ms < 9_999.5 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
};

/**
 * Formats a log line for a terminal: local time of day, level, source, message, fields and the first 8 digits of the
 * trace id, at most 400 characters. At `error` and `fatal`, the first lines of the error's stack follow. Text that is not
 * a JSON object passes through without its colors, at most 2,000 characters. Control characters are escaped (`\x1b`).
 *
 * @param source such as "origin 1"
 * @param isColored whether to color levels and statuses
 */
export const formatLogLine = (source: string, line: string, isColored: boolean): string => {
  const entry = parseEntry(line);
  if (entry === undefined) {
    return truncate(escapeControls(line.replaceAll(/\p{Cc}\[[\d;]*m/gu, "")), MAX_PLAIN_LINE);
  }
  const { time, message, trace_id, requestId } = entry;
  const level = truncate(textOf(entry["level"] ?? "-"), 9);
  const traceId = textOf(trace_id ?? requestId ?? "")
    .replaceAll("-", "")
    .slice(0, 8);
  const isRequest = message === "request" && "http.request.method" in entry;
  const text = message === undefined ? [] : [textOf(message)];
  const before: readonly Part[] = [
    [clockTime(new Date(typeof time === "number" ? time : String(time))), "dim"],
    [level.padEnd(5), LEVEL_STYLES[level]],
    [truncate(escapeControls(source), 20).padEnd(8), "cyan"],
    ...(isRequest ? requestParts(entry) : []),
  ];
  const after: readonly Part[] = traceId === "" ? [] : [[traceId, "dim"]];
  const used = [...before, ...after].reduce((length, [part]) => length + part.length + 1, 0);
  const rest = [...(isRequest ? requestDetails(entry) : text), ...fieldTexts(entry, isRequest)].join(" ");
  const paint = ([text, style]: Part): string =>
    isColored && style !== undefined ? styleText(style, text, { validateStream: false }) : text;
  const shown = [...before, [truncate(rest, MAX_LINE - used)] as const, ...after];
  const stack = level === "error" || level === "fatal" ? stackLines(entry) : [];
  const first = shown.filter(([part]) => part !== "").map(paint);
  return [first.join(" "), ...stack.map((call) => paint([call, "dim"]))].join("\n");
};

/** The object that a line is; undefined if it is none. */
export const parseEntry = (line: string): JsonObject | undefined => {
  try {
    const value: unknown = JSON.parse(line);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

/** `GET /products/:id 200` */
const requestParts = (entry: JsonObject): readonly Part[] => {
  const status = entry["http.response.status_code"] ?? "-";
  const name = `${textOf(entry["http.request.method"])} ${textOf(entry["http.route"] ?? "(no route)")}`;
  return [
    [truncate(name, 200)],
    [truncate(textOf(status), 9), Number(status) >= 500 ? "red" : Number(status) >= 400 ? "yellow" : "green"],
  ];
};

/** `3.2 ms hit 2 attempts` */
const requestDetails = ({ durationMs, cache, attempts }: JsonObject): readonly string[] => [
  ...(typeof durationMs === "number" ? [durationText(durationMs)] : []),
  ...(cache === undefined ? [] : [textOf(cache)]),
  ...(attempts === undefined ? [] : [`${textOf(attempts)} attempt${attempts === 1 ? "" : "s"}`]),
];

const fieldTexts = (entry: JsonObject, isRequest: boolean): readonly string[] =>
  Object.entries(entry)
    .filter(([key]) => !OMITTED.includes(key) && !(isRequest && OMITTED_FOR_REQUESTS.includes(key)))
    .map(([key, value]) => fieldText(key, value));

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
  const calls = String(stack)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at "));
  return calls.slice(0, STACK_LINES).map((call) => truncate(`    ${escapeControls(call)}`, MAX_LINE));
};
