/** What traces, metrics and logs of OTLP have in common (opentelemetry-proto, common.proto and resource.proto). */
import type { JsonAt } from "./json-at.ts";

/** An AnyValue as a value of JSON; integers beyond 2^53 are their digits, bytes are base64. */
export type PlainValue =
  | string
  | number
  | boolean
  | null
  | readonly PlainValue[]
  | { readonly [key: string]: PlainValue };

export type Attributes = Readonly<Record<string, PlainValue>>;

export interface Resource {
  /** `service.name` */
  readonly service: string;
  /** `service.instance.id` */
  readonly instance: string | undefined;
  readonly attributes: Attributes;
}

/** How many attributes of one thing are kept: the first. */
export const MAX_ATTRIBUTES = 64;
/** How many characters of a text are kept, but for a log record's body. */
export const MAX_TEXT = 4_096;
const MAX_ELEMENTS = 64;
const MAX_DEPTH = 8;

/** The text's first characters, in a string of their own: a slice would hold on to the whole. */
export const cut = (text: string, most: number): string =>
  text.length <= most ? text : `${Buffer.from(text.slice(0, most)).toString()}…`;

/** @throws ShapeError */
export const plainValue = (json: JsonAt, maxText = MAX_TEXT, depth = 0): PlainValue => {
  if (depth > MAX_DEPTH) throw json.fault(`is nested deeper than ${MAX_DEPTH}`);
  if (json.has("stringValue")) return cut(json.get("stringValue").text(), maxText);
  if (json.has("boolValue")) return json.get("boolValue").boolean();
  if (json.has("intValue")) return plainInteger(json.get("intValue").int64());
  if (json.has("doubleValue")) return plainDouble(json.get("doubleValue").double());
  if (json.has("bytesValue")) return cut(json.get("bytesValue").text(), maxText);
  if (json.has("arrayValue")) {
    const values = json.get("arrayValue").get("values").list().slice(0, MAX_ELEMENTS);
    return values.map((value) => plainValue(value, maxText, depth + 1));
  }
  if (json.has("kvlistValue"))
    return readAttributes(json.get("kvlistValue").get("values"), maxText, depth + 1);
  return null;
};

const plainInteger = (value: bigint): PlainValue => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
};

/** What JSON has no number for is written as ProtoJSON does. */
const plainDouble = (value: number): PlainValue => (Number.isFinite(value) ? value : String(value));

/** @throws ShapeError */
export const readAttributes = (json: JsonAt, maxText = MAX_TEXT, depth = 0): Attributes =>
  // fromEntries defines what it is given, so that a key of `__proto__` is one like any other.
  Object.fromEntries(
    json
      .list()
      .slice(0, MAX_ATTRIBUTES)
      .map((pair) => [cut(pair.get("key").text(), MAX_TEXT), plainValue(pair.get("value"), maxText, depth)]),
  );

const textOf = (value: PlainValue | undefined): string | undefined =>
  value === undefined || value === null || value === "" ? undefined : plainText(value);

/** One value as text: texts as they are, lists and objects as JSON. */
export const plainText = (value: PlainValue): string =>
  typeof value === "string" ? value : JSON.stringify(value);

/** @throws ShapeError */
export const readResource = (json: JsonAt): Resource => {
  const attributes = readAttributes(json.get("attributes"));
  return {
    // The name that OpenTelemetry's SDKs give what has none (Resource Semantic Conventions, "Service").
    service: textOf(attributes["service.name"]) ?? "unknown_service",
    instance: textOf(attributes["service.instance.id"]),
    attributes,
  };
};

/** Epoch milliseconds with fractions, to about a quarter of a microsecond, which is what a double holds of them. */
export const milliseconds = (nanoseconds: bigint): number =>
  Number(nanoseconds / 1_000_000n) + Number(nanoseconds % 1_000_000n) / 1e6;

/** An id in lower-case hex; undefined where it is absent or all zeros, which means none. @throws ShapeError */
export const readId = (json: JsonAt, digits: 16 | 32): string | undefined => {
  const text = json.text().toLowerCase();
  if (text === "") return undefined;
  if (text.length !== digits || !/^[0-9a-f]+$/.test(text)) throw json.fault(`must be ${digits} hex digits`);
  return /^0+$/.test(text) ? undefined : text;
};

/** As `readId`, of one that has to be there. @throws ShapeError */
export const requireId = (json: JsonAt, digits: 16 | 32): string => {
  const id = readId(json, digits);
  if (id === undefined) throw json.fault(`must be ${digits} hex digits, not all of them 0`);
  return id;
};
