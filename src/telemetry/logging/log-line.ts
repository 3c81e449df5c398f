/** One line of a log: JSON, bounded, without secrets, whatever it is given. */
import { isJsonObject } from "../../lib/json-object.ts";
import { isOnlySecretName, isSecretName, isSuspect, MASK, redact } from "./redact.ts";

/** With the newline that ends it, bytes. */
export const MAX_LINE_BYTES = 16_384;
const MAX_TEXT_BYTES = MAX_LINE_BYTES - 1;
/** A longer line is not read as JSON, UTF-16 code units. */
const MAX_READ_UNITS = 4 * 1_024 * 1_024;
/** The most that UTF-8 needs for a UTF-16 code unit, bytes. */
const BYTES_PER_UNIT = 3;

/** What is looked at: depth, values, and UTF-16 code units of all texts together. */
const MAX_DEPTH = 8;
const MAX_VALUES = 500;
const MAX_UNITS = 65_536;
/** A longer key is cut, UTF-16 code units. */
const MAX_KEY_UNITS = 128;
/** No secret is longer; so one that was cut in two, and not recognized for that, is in the last ones. */
const LONGEST_SECRET = 1_024;

/** Lengths to which the texts of a line that is too long are cut, until it fits; UTF-16 code units. */
const CAPS_UNITS = [12_288, 8_192, 4_096, 2_048, 1_024, 512, 256, 128, 64];
/** They stay: without them a line says neither when nor of what. */
const KEPT = ["time", "level", "message", "requestId", "trace_id"];

const FAILED = '{"level":"error","message":"a line of the log could not be written","truncated":true}';

type Plain = string | number | boolean | null | readonly Plain[] | PlainObject;
interface PlainObject {
  readonly [key: string]: Plain;
}

/** Does not cut a pair of surrogates in two. */
const cut = (text: string, maxUnits: number): string =>
  text.length <= maxUnits ? text : `${text.slice(0, maxUnits).replace(/[\ud800-\udbff]$/, "")}…`;

/** Makes of a line's fields what JSON can hold, without secrets and of a bounded size. */
const plainLine = (entries: Iterable<readonly [string, unknown]>): PlainObject => {
  let valuesLeft = MAX_VALUES;
  let unitsLeft = MAX_UNITS;
  let hasCut = false;

  const text = (given: string): string => {
    const masked = redact(given.slice(0, unitsLeft).toWellFormed());
    const isWhole = given.length <= unitsLeft;
    unitsLeft = Math.max(0, unitsLeft - given.length);
    if (isWhole) return masked;
    hasCut = true;
    return `${masked.slice(0, -LONGEST_SECRET).toWellFormed()}…`;
  };

  const keyText = (key: string): string => {
    if (key.length <= MAX_KEY_UNITS) return redact(key.toWellFormed());
    hasCut = true;
    return key.length > LONGEST_SECRET ? "…" : cut(redact(key.toWellFormed()), MAX_KEY_UNITS);
  };

  const fields = (entries: Iterable<readonly [string, unknown]>, depth: number): PlainObject => {
    const result: Record<string, Plain> = Object.create(null);
    for (const [key, value] of entries) {
      if (valuesLeft <= 0) {
        hasCut = true;
        break;
      }
      if (value === undefined) continue;
      // Whether there is one is no secret.
      const isSecret = isSecretName(key) && value !== null && typeof value !== "boolean";
      result[keyText(key)] = isSecret ? MASK : plain(value, depth);
    }
    return result;
  };

  const list = (values: Iterable<unknown>, depth: number): Plain[] => {
    const items: Plain[] = [];
    let before: unknown;
    for (const value of values) {
      if (valuesLeft <= 0) {
        hasCut = true;
        break;
      }
      // A list of names and values, such as raw headers.
      const isSecret = typeof before === "string" && isOnlySecretName(before);
      items.push(isSecret ? MASK : plain(value ?? null, depth));
      before = value;
    }
    return items;
  };

  const object = (given: object, depth: number): Plain => {
    if (given instanceof Error) {
      const { name, message, stack, cause } = given;
      const [code, errors] = [Reflect.get(given, "code"), Reflect.get(given, "errors")];
      return fields(Object.entries({ name, message, code, stack, cause, errors }), depth);
    }
    if (ArrayBuffer.isView(given)) return `[${given.byteLength} bytes]`;
    const toJson: unknown = Reflect.get(given, "toJSON");
    if (typeof toJson === "function") return plain(Reflect.apply(toJson, given, []), depth);
    if (Array.isArray(given) || given instanceof Set || given instanceof Map) return list(given, depth);
    return fields(Object.entries(given), depth);
  };

  const plain = (given: unknown, depth: number): Plain => {
    valuesLeft -= 1;
    if (typeof given === "string") return text(given);
    if (typeof given === "number") return Number.isFinite(given) ? given : String(given);
    if (typeof given === "boolean" || given === null) return given;
    if (typeof given === "bigint") return text(String(given));
    if (typeof given !== "object") return `[${typeof given}]`;
    if (depth >= MAX_DEPTH || valuesLeft <= 0) {
      hasCut = true;
      return "…";
    }
    try {
      return object(given, depth + 1);
    } catch {
      return "[unreadable]";
    }
  };

  const line = fields(entries, 0);
  return hasCut ? { ...line, truncated: true } : line;
};

/**
 * What JSON leaves as it is and some program does not: DEL and C1 controls steer terminals, the two separators end
 * lines, format characters turn the direction of what stands around them.
 */
const UNSAFE = /[\u007f-\u009f\u2028\u2029\p{Cf}]/gu;

const escaped = (character: string): string =>
  character
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");

/** @param cap to which texts are cut, UTF-16 code units */
const jsonText = (value: Plain, cap?: number): string => {
  const capped = (_: string, each: unknown) =>
    typeof each === "string" && cap !== undefined ? cut(each, cap) : each;
  return JSON.stringify(value, cap === undefined ? undefined : capped).replace(UNSAFE, escaped);
};

const fits = (text: string): boolean =>
  text.length * BYTES_PER_UNIT <= MAX_TEXT_BYTES ||
  new TextEncoder().encode(text).byteLength <= MAX_TEXT_BYTES;

/** Those that stay first, so that what stands before them does not use up what may be read. */
const keptFirst = (fields: Readonly<Record<string, unknown>>): Map<string, unknown> =>
  new Map([
    ...KEPT.filter((key) => Object.hasOwn(fields, key)).map((key) => [key, fields[key]] as const),
    ...Object.entries(fields),
  ]);

const written = (fields: Readonly<Record<string, unknown>>): string => {
  const line = plainLine(keptFirst(fields));
  const whole = jsonText(line);
  if (fits(whole)) return whole;
  for (const cap of CAPS_UNITS) {
    const text = jsonText({ ...line, truncated: true }, cap);
    if (fits(text)) return text;
  }
  const kept = KEPT.filter((key) => line[key] !== undefined).map((key) => {
    const value = line[key] ?? null;
    return [key, cut(typeof value === "string" ? value : jsonText(value), MAX_KEY_UNITS)];
  });
  return jsonText({ ...Object.fromEntries(kept), truncated: true });
};

/**
 * The fields as JSON of at most 16,383 bytes, without a newline: whoever writes it ends it with one. Never throws, and
 * always holds no control character. Where it is too long, texts are cut, and then other fields left out; the line says
 * `"truncated":true`, and `time`, `level`, `message`, `requestId` and `trace_id` stay.
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
