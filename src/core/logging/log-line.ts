/** One line of a log: JSON, bounded, without secrets, whatever it is given. */
import { isJsonObject } from "../json-object.ts";
import { byteLength, jsonText } from "./json-text.ts";
import { createReader, type Plain, type PlainObject } from "./plain.ts";
import { isSuspect } from "./redact.ts";
import { KEPT, shorten } from "./shorten.ts";

/** With the newline that ends it, bytes. */
export const MAX_LINE_BYTES = 16_384;
const MAX_TEXT_BYTES = MAX_LINE_BYTES - 1;
/** A longer line is not read as JSON, UTF-16 code units. */
const MAX_READ_UNITS = 4 * 1_024 * 1_024;
/** The most that UTF-8 needs for a UTF-16 code unit, bytes. */
const BYTES_PER_UNIT = 3;

/** A time, an id: what stays whole, UTF-16 code units. */
const MAX_KEPT_UNITS = 128;

const FAILED = '{"level":"error","message":"a line of the log could not be written","truncated":true}';

const kept = (key: string, value: Plain | undefined): Plain | undefined => {
  if (key === "message") return value === undefined || typeof value === "string" ? value : jsonText(value);
  if (typeof value === "object" && value !== null) return "…";
  if (typeof value !== "string" || value.length <= MAX_KEPT_UNITS) return value;
  return `${value.slice(0, MAX_KEPT_UNITS).toWellFormed()}…`;
};

const written = (fields: object): string => {
  const reader = createReader();
  const keys = Object.keys(fields);
  // First, so that what stands before them does not use up what may be read.
  const first = new Map<string, Plain | undefined>();
  for (const key of KEPT)
    if (Object.hasOwn(fields, key)) first.set(key, kept(key, reader.field(fields, key)));
  const line: Record<string, Plain> = Object.create(null);
  const rest = new Set<string>();
  for (const key of keys.slice(0, MAX_FIELDS)) {
    const value = first.has(key) ? first.get(key) : reader.field(fields, key);
    if (value !== undefined) line[first.has(key) ? key : reader.key(key)] = value;
    rest.add(key);
  }
  for (const [key, value] of first) if (!rest.has(key) && value !== undefined) line[key] = value;
  if (reader.hasCut || keys.length > MAX_FIELDS) line["truncated"] = true;
  const text = jsonText(line);
  if (text.length * BYTES_PER_UNIT <= MAX_TEXT_BYTES || byteLength(text) <= MAX_TEXT_BYTES) return text;
  return jsonText({ ...shorten(without(line), MAX_TEXT_BYTES - TRUNCATED_BYTES), truncated: true });
};

/** Fields of a line that are looked at. */
const MAX_FIELDS = 200;
const TRUNCATED_BYTES = ',"truncated":true'.length;

const without = (line: PlainObject): PlainObject => {
  const { truncated: _, ...others } = line;
  return others;
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
