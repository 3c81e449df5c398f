/** A log line: JSON of bounded size, without secrets, from any input. */
import { isJsonObject } from "../../lib/json-object.ts";
import { isOnlySecretName, isSecretName, isSuspect, MASK, redact } from "./redact.ts";

/** Including the newline that ends it, bytes. */
export const MAX_LINE_BYTES = 16_384;
const MAX_TEXT_BYTES = MAX_LINE_BYTES - 1;
/** A longer line is not parsed, UTF-16 code units. */
const MAX_PARSED_UNITS = 4 * 1_024 * 1_024;
/** UTF-8's maximum for a UTF-16 code unit, bytes. */
const BYTES_PER_UNIT = 3;

/** Bounds of the input that is read: depth, values, and UTF-16 code units of all texts together. */
const MAX_DEPTH = 8;
const MAX_VALUES = 500;
const MAX_UNITS = 65_536;
/** A longer key is omitted, and a main field cut to this length as a last resort, UTF-16 code units. */
const MAX_KEY_UNITS = 128;
/** No secret is longer. A secret that a cut makes unrecognizable is within these last units. */
const LONGEST_SECRET = 1_024;

/** Maximum length of the texts in a line that is too long, halved until the line fits; UTF-16 code units. */
const MAX_CAP_UNITS = 8_192;
const MIN_CAP_UNITS = 64;
/** These fields always stay: they give the time and the subject of a line. */
const MAIN_FIELDS = ["time", "level", "message", "requestId", "trace_id"];

const FAILED = '{"level":"error","message":"a log line could not be written","truncated":true}';

type Plain = string | number | boolean | null | readonly Plain[] | PlainObject;
interface PlainObject {
  readonly [key: string]: Plain;
}

/** Cuts a text, but never between two surrogates. */
const cut = (text: string, maxUnits: number): string =>
  text.length <= maxUnits ? text : `${text.slice(0, maxUnits).replace(/[\ud800-\udbff]$/, "")}…`;

/** The fields as values of JSON, of bounded size and without secrets. */
const plainLine = (entries: Iterable<readonly [string, unknown]>): PlainObject => {
  let valuesLeft = MAX_VALUES;
  let unitsLeft = MAX_UNITS;
  let hasCut = false;

  const text = (value: string): string => {
    const masked = redact(value.slice(0, unitsLeft).toWellFormed());
    const isWhole = value.length <= unitsLeft;
    unitsLeft = Math.max(0, unitsLeft - value.length);
    if (isWhole) return masked;
    hasCut = true;
    return `${masked.slice(0, -LONGEST_SECRET).toWellFormed()}…`;
  };

  const keyText = (key: string): string => {
    if (key.length <= MAX_KEY_UNITS) return redact(key.toWellFormed());
    hasCut = true;
    return "…";
  };

  const fields = (entries: Iterable<readonly [string, unknown]>, depth: number): PlainObject => {
    const result: Record<string, Plain> = Object.create(null);
    for (const [key, value] of entries) {
      if (valuesLeft <= 0) {
        hasCut = true;
        break;
      }
      if (value === undefined) continue;
      // Only the presence of a secret is shown.
      const isSecret = isSecretName(key) && value !== null && typeof value !== "boolean";
      result[keyText(key)] = isSecret ? MASK : plain(value, depth);
    }
    return result;
  };

  const list = (values: Iterable<unknown>, depth: number): Plain[] => {
    const items: Plain[] = [];
    let previous: unknown;
    for (const value of values) {
      if (valuesLeft <= 0) {
        hasCut = true;
        break;
      }
      // In a list of names and values, such as raw headers, a secret follows its name.
      const isSecret = typeof previous === "string" && isOnlySecretName(previous);
      items.push(isSecret ? MASK : plain(value ?? null, depth));
      previous = value;
    }
    return items;
  };

  const object = (value: object, depth: number): Plain => {
    if (value instanceof Error) {
      const { name, message, stack, cause } = value;
      const [code, errors] = [Reflect.get(value, "code"), Reflect.get(value, "errors")];
      return fields(Object.entries({ name, message, code, stack, cause, errors }), depth);
    }
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    const toJson: unknown = Reflect.get(value, "toJSON");
    if (typeof toJson === "function") return plain(Reflect.apply(toJson, value, []), depth);
    if (Array.isArray(value) || value instanceof Set || value instanceof Map) return list(value, depth);
    return fields(Object.entries(value), depth);
  };

  const plain = (value: unknown, depth: number): Plain => {
    valuesLeft -= 1;
    if (typeof value === "string") return text(value);
    if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
    if (typeof value === "boolean" || value === null) return value;
    if (typeof value === "bigint") return text(String(value));
    if (typeof value !== "object") return `[${typeof value}]`;
    if (depth >= MAX_DEPTH || valuesLeft <= 0) {
      hasCut = true;
      return "…";
    }
    try {
      return object(value, depth + 1);
    } catch {
      return "[unreadable]";
    }
  };

  const line = fields(entries, 0);
  return hasCut ? { ...line, truncated: true } : line;
};

/**
 * Characters that JSON allows but programs misread: DEL and C1 controls steer terminals, the two separators
 * end lines, format characters reverse the direction of the text around them.
 */
const UNSAFE = /[\u007f-\u009f\u2028\u2029\p{Cf}]/gu;

const escaped = (character: string): string =>
  character
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");

/** @param cap maximum length of texts, UTF-16 code units */
const jsonText = (value: Plain, cap?: number): string => {
  const capped = (_: string, each: unknown) =>
    typeof each === "string" && cap !== undefined ? cut(each, cap) : each;
  return JSON.stringify(value, cap === undefined ? undefined : capped).replace(UNSAFE, escaped);
};

const fits = (text: string): boolean =>
  text.length * BYTES_PER_UNIT <= MAX_TEXT_BYTES ||
  new TextEncoder().encode(text).byteLength <= MAX_TEXT_BYTES;

/** `MAIN_FIELDS` comes first, so that other fields do not use up the bounds. */
const mainFirst = (fields: Readonly<Record<string, unknown>>): Map<string, unknown> =>
  new Map([
    ...MAIN_FIELDS.filter((key) => Object.hasOwn(fields, key)).map((key) => [key, fields[key]] as const),
    ...Object.entries(fields),
  ]);

const boundedLine = (fields: Readonly<Record<string, unknown>>): string => {
  const line = plainLine(mainFirst(fields));
  const whole = jsonText(line);
  if (fits(whole)) return whole;
  for (let cap = MAX_CAP_UNITS; cap >= MIN_CAP_UNITS; cap /= 2) {
    const text = jsonText({ ...line, truncated: true }, cap);
    if (fits(text)) return text;
  }
  const main = MAIN_FIELDS.filter((key) => line[key] !== undefined).map((key) => {
    const value = line[key] ?? null;
    return [key, cut(typeof value === "string" ? value : jsonText(value), MAX_KEY_UNITS)];
  });
  return jsonText({ ...Object.fromEntries(main), truncated: true });
};

/** Characters to escape, and escapes that may hide a secret. */
const ESCAPES = /[^ -~]|\\[u/]/;

/** Whether nothing in it has to be cut, escaped or masked. @param text JSON */
const isClean = (text: string): boolean =>
  text.length <= MAX_TEXT_BYTES && !ESCAPES.test(text) && !isSuspect(text);

const isSimple = ([key, value]: [key: string, value: unknown]): boolean =>
  key.length <= MAX_KEY_UNITS &&
  (value === null || ["string", "boolean", "undefined"].includes(typeof value) || Number.isFinite(value));

/** Most lines, in less than half of the time; undefined for any other. */
const simpleLine = (fields: Readonly<Record<string, unknown>>): string | undefined => {
  const entries = Object.entries(fields);
  if (entries.length > MAX_VALUES || !entries.every(isSimple)) return undefined;
  const text = JSON.stringify(fields);
  return isClean(text) ? text : undefined;
};

/**
 * The fields as JSON of at most 16,383 bytes, without a newline and without control characters. Never throws.
 * If the line is too long, texts are cut, and then fields left out: it contains `"truncated":true`, and keeps
 * `time`, `level`, `message`, `requestId` and `trace_id`.
 */
export const logLine = (fields: Readonly<Record<string, unknown>>): string => {
  try {
    return simpleLine(fields) ?? boundedLine(fields);
  } catch {
    return FAILED;
  }
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/**
 * The same bounds for an existing line of JSON. A short line without anything to mask is returned unparsed; a
 * text that is no JSON object becomes the message of a line. A newline at the end stays.
 */
export const fitLine = (line: string): string => {
  const end = line.endsWith("\n") ? "\n" : "";
  const text = end === "" ? line : line.slice(0, -1);
  if (text.startsWith("{") && text.endsWith("}") && isClean(text)) return line;
  const fields = text.length <= MAX_PARSED_UNITS ? parsed(text) : undefined;
  return `${logLine(isJsonObject(fields) ? fields : { level: "info", message: text })}${end}`;
};
