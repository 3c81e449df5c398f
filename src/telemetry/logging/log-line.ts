/** One line of a log: JSON, bounded, without secrets, whatever it is given. */
import { isJsonObject } from "../../lib/json-object.ts";
import { byteLength, jsonText } from "./json-text.ts";
import { isSuspect } from "./redact.ts";
import { createReader, type Plain, type PlainObject, type Reader } from "./serialize.ts";
import { KEPT, shorten } from "./truncate.ts";

/** With the newline that ends it, bytes. */
export const MAX_LINE_BYTES = 16_384;
const MAX_TEXT_BYTES = MAX_LINE_BYTES - 1;
/** A longer line is not read as JSON, UTF-16 code units. */
const MAX_READ_UNITS = 4 * 1_024 * 1_024;
/** The most that UTF-8 needs for a UTF-16 code unit, bytes. */
const BYTES_PER_UNIT = 3;

/** A time, an id: what stays whole, UTF-16 code units. */
const MAX_KEPT_UNITS = 128;
/** Fields of a line that are looked at. */
const MAX_FIELDS = 200;
const TRUNCATED_BYTES = ',"truncated":true'.length;

const FAILED = '{"level":"error","message":"a line of the log could not be written","truncated":true}';

const kept = (key: string, value: Plain | undefined): Plain | undefined => {
  if (key === "message") return value === undefined || typeof value === "string" ? value : jsonText(value);
  if (typeof value === "object" && value !== null) return "…";
  if (typeof value !== "string" || value.length <= MAX_KEPT_UNITS) return value;
  return `${value.slice(0, MAX_KEPT_UNITS).toWellFormed()}…`;
};

/** Those that stay, read before all others, so that what stands before them does not use up what may be read. */
const keptOf = (fields: object, reader: Reader): ReadonlyMap<string, Plain | undefined> => {
  const found = new Map<string, Plain | undefined>();
  for (const key of KEPT) {
    if (Object.hasOwn(fields, key)) found.set(key, kept(key, reader.field(fields, key)));
  }
  return found;
};

/** In the order in which they were given. */
const plainLine = (fields: object): PlainObject => {
  const reader = createReader();
  const first = keptOf(fields, reader);
  const line: Record<string, Plain> = Object.create(null);
  const keys = Object.keys(fields);
  for (const key of keys.slice(0, MAX_FIELDS)) {
    const isKept = first.has(key);
    const value = isKept ? first.get(key) : reader.field(fields, key);
    if (value !== undefined) line[isKept ? key : reader.key(key)] = value;
  }
  for (const [key, value] of first) if (value !== undefined) line[key] = value;
  if (reader.hasCut || keys.length > MAX_FIELDS) line["truncated"] = true;
  return line;
};

const written = (fields: object): string => {
  const line = plainLine(fields);
  const text = jsonText(line);
  if (text.length * BYTES_PER_UNIT <= MAX_TEXT_BYTES || byteLength(text) <= MAX_TEXT_BYTES) return text;
  const { truncated: _, ...others } = line;
  return jsonText({ ...shorten(others, MAX_TEXT_BYTES - TRUNCATED_BYTES), truncated: true });
};

/**
 * The fields as JSON of at most 16,383 bytes, without a newline: whoever writes it ends it with one. Never throws, and
 * always holds no control character. Where it is too long, texts are cut, the longest first, and the line says
 * `"truncated":true`; `time`, `level`, `message`, `requestId` and `trace_id` stay.
 */
export const logLine = (fields: Readonly<Record<string, unknown>>): string => {
  try {
    return written(fields);
  } catch {
    return FAILED;
  }
};

/** What has to be escaped, and what may hide a secret by an escape of its own. */
const ESCAPES = /[^ -~]|\\[u/]/;

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/**
 * The same bound for a line that is JSON already: as it is, and not looked into, where it is short and there is nothing
 * to mask. A newline at its end stays there. What is no object of JSON becomes a line's message.
 */
export const fitLine = (line: string): string => {
  const end = line.endsWith("\n") ? "\n" : "";
  const text = end === "" ? line : line.slice(0, -1);
  const isShort = text.length <= MAX_TEXT_BYTES && text.startsWith("{") && text.endsWith("}");
  if (isShort && !ESCAPES.test(text) && !isSuspect(text)) return line;
  const fields = text.length <= MAX_READ_UNITS ? parsed(text) : undefined;
  return `${logLine(isJsonObject(fields) ? fields : { level: "info", message: text })}${end}`;
};
