/** Log lines, which are JSON for machines, as lines for a terminal. */
import { isJsonObject, type JsonObject } from "../lib/json-object.ts";
import { clockTime, durationText } from "./log-format.ts";
import { harmless, harmlessLine } from "./log-harmless.ts";
import { type Colour, lineOf, type Part, shortened } from "./log-parts.ts";

const MAX_LINE = 400;
const MAX_PASSED_ON = 2_000;
const STACK_LINES = 5;
const SOURCE_WIDTH = 8;

/** What has a place of its own in a line, or none. */
const PLACED: ReadonlySet<string> = new Set([
  ...["time", "level", "message", "service.name", "service.version", "pid", "hostname"],
  ...["requestId", "trace_id", "span_id", "sampled"],
]);
const PLACED_OF_ACCESS: ReadonlySet<string> = new Set([
  ...PLACED,
  ...["http.request.method", "http.route", "http.response.status_code", "durationMs", "cache", "attempts"],
]);

const LEVEL_COLOURS: Readonly<Record<string, Colour>> = {
  fatal: "red",
  error: "red",
  warn: "yellow",
  info: "green",
  debug: "faint",
  trace: "faint",
};

/** pino's numbers, for a logger that does not write the names. */
const LEVEL_NAMES: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

export interface ReadableOptions {
  /** Whether levels and statuses are coloured, by ANSI's SGR sequences. */
  readonly colour: boolean;
}

/**
 * One line of a log as a line for a terminal, of at most 400 characters: local time of day, level, source, what
 * happened, and the first 8 digits of its trace's id. At `error` and `fatal` the first lines of an error's stack follow
 * in lines of their own. What is no object of JSON is passed on, up to 2,000 characters of it. Neither steers the
 * terminal: control characters are written out, as `\x1b`.
 *
 * @param source who wrote it, as "origin 1"
 */
export const readableLine = (source: string, line: string, { colour }: ReadableOptions): string => {
  const entry = parsed(line);
  if (entry === undefined) return shortened(harmlessLine(line), MAX_PASSED_ON);
  const level = levelOf(entry);
  const start: Part[] = [
    { text: timeOf(entry), colour: "faint" },
    { text: level.padEnd(5), colour: LEVEL_COLOURS[level] },
    { text: harmless(source).padEnd(SOURCE_WIDTH), colour: "cyan" },
  ];
  const parts = isAccess(entry) ? accessParts(entry) : messageParts(entry);
  const trace = traceOf(entry);
  const end: Part[] = trace === undefined ? [] : [{ text: trace, colour: "faint" }];
  const first = lineOf([...start, ...parts], end, { colour, most: MAX_LINE });
  const isSevere = level === "error" || level === "fatal";
  const stack = isSevere ? stackLines(entry) : [];
  return [
    first,
    ...stack.map((text) => lineOf([{ text, colour: "faint" }], [], { colour, most: MAX_LINE })),
  ].join("\n");
};

const parsed = (line: string): JsonObject | undefined => {
  if (!line.trimStart().startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

const levelOf = ({ level }: JsonObject): string => {
  const name = typeof level === "number" ? (LEVEL_NAMES[level] ?? String(level)) : level;
  return typeof name === "string" && name !== "" ? shortened(harmless(name), 9) : "-";
};

const timeOf = ({ time }: JsonObject): string => {
  const at = new Date(typeof time === "string" || typeof time === "number" ? time : Number.NaN);
  return Number.isNaN(at.getTime()) ? "--:--:--.---" : clockTime(at);
};

const traceOf = (entry: JsonObject): string | undefined => {
  const id = entry["trace_id"] ?? entry["requestId"];
  if (typeof id !== "string" || id === "") return undefined;
  return harmless(id.replaceAll("-", "").slice(0, 8));
};

const isAccess = (entry: JsonObject): boolean =>
  entry["message"] === "request" && typeof entry["http.request.method"] === "string";

const statusColour = (status: unknown): Colour | undefined => {
  if (typeof status !== "number") return undefined;
  return status >= 500 ? "red" : status >= 400 ? "yellow" : "green";
};

/** `GET /products/:id 200 3.2 ms hit 2 attempts` */
const accessParts = (entry: JsonObject): Part[] => {
  const { durationMs, cache, attempts } = entry;
  const status = entry["http.response.status_code"];
  return [
    { text: bare(entry["http.request.method"]) },
    { text: bare(entry["http.route"] ?? "(no route)") },
    { text: bare(status ?? "-"), colour: statusColour(status) },
    ...(typeof durationMs === "number" ? [{ text: durationText(durationMs) }] : []),
    ...(cache === undefined ? [] : [{ text: bare(cache) }]),
    ...(attempts === undefined
      ? []
      : [{ text: `${bare(attempts)} ${attempts === 1 ? "attempt" : "attempts"}` }]),
    ...otherFields(entry, PLACED_OF_ACCESS),
  ];
};

const messageParts = (entry: JsonObject): Part[] => {
  const { message } = entry;
  return [...(message === undefined ? [] : [{ text: bare(message) }]), ...otherFields(entry, PLACED)];
};

const otherFields = (entry: JsonObject, placed: ReadonlySet<string>): Part[] =>
  Object.entries(entry)
    .filter(([key]) => !placed.has(key))
    .map(([key, value]) => ({ text: field(key, value) }));

const field = (key: string, value: unknown): string => {
  const message = isError(key, value) ? errorMessage(value) : undefined;
  return message === undefined ? `${harmless(key)}=${quoted(value)}` : `${harmless(key)}: ${message}`;
};

/** As the tiers' own logs and pino's serializer write an error. */
const isError = (key: string, value: unknown): value is JsonObject =>
  (key === "err" || key === "error") && isJsonObject(value) && typeof value["message"] === "string";

/** `TypeError: what went wrong (cause: what it came of)` */
const errorMessage = (error: JsonObject): string => {
  const { cause } = error;
  const own = namedMessage(error);
  return isJsonObject(cause) ? `${own} (cause: ${namedMessage(cause)})` : own;
};

const namedMessage = ({ name, type, message }: JsonObject): string => {
  const kind = name ?? type;
  return kind === undefined || kind === "Error" ? bare(message) : `${bare(kind)}: ${bare(message)}`;
};

/** The stack without its first lines, which are the message. */
const stackLines = (entry: JsonObject): string[] => {
  const error = [entry["err"], entry["error"]].find(isJsonObject);
  const stack = error?.["stack"];
  if (typeof stack !== "string") return [];
  const calls = stack.split("\n").filter((call) => /^\s*at\s/.test(call));
  return calls.slice(0, STACK_LINES).map((call) => `    ${harmless(call.trim())}`);
};

const bare = (value: unknown): string =>
  harmless(typeof value === "string" ? value : (JSON.stringify(value) ?? ""));

/** As it is where it can be told from what stands around it. */
const quoted = (value: unknown): string =>
  typeof value === "string" && /^[^\s"'=\\]+$/.test(value)
    ? harmless(value)
    : harmless(JSON.stringify(value));
