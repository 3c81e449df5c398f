/** A value that keeps to a schema, as far as it can be told: to show it and to send it. */
import type { JsonSchema } from "../../contract/openapi.ts";
import {
  alternativesOf,
  isSchema,
  listOf,
  partsOf,
  propertiesOf,
  referredName,
  requiredOf,
  type Schemas,
  textOf,
  typesOf,
} from "./json-schema.ts";

const BY_FORMAT: Readonly<Record<string, string>> = {
  uuid: "01900000-0000-7000-8000-000000000001",
  "date-time": "2026-01-31T12:00:00Z",
  date: "2026-01-31",
  time: "12:00:00Z",
  duration: "PT15M",
  email: "somebody@example.com",
  uri: "https://example.com/",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
};

/** What is tried where only a pattern says what a text looks like. */
const CANDIDATES = ["text", ...Object.values(BY_FORMAT), "1", "A", "ABC", "EUR", "a-b", "1.0.0"];

const first = (parts: readonly JsonSchema[], keyword: string): unknown =>
  parts.find((part) => Object.hasOwn(part, keyword))?.[keyword];

const numbers = (parts: readonly JsonSchema[], keyword: string): number[] =>
  parts.map((part) => part[keyword]).filter((value) => typeof value === "number");

const matches = (pattern: string, text: string): boolean => {
  try {
    return new RegExp(pattern, "u").test(text);
  } catch {
    return true;
  }
};

const textExample = (parts: readonly JsonSchema[]): string => {
  const least = Math.max(0, ...numbers(parts, "minLength"));
  const most = Math.min(Number.POSITIVE_INFINITY, ...numbers(parts, "maxLength"));
  const patterns = parts.map((part) => textOf(part["pattern"])).filter((each) => each !== undefined);
  const formats = parts.map((part) => BY_FORMAT[textOf(part["format"]) ?? ""]).filter((each) => each);
  const fits = (text: string | undefined): text is string =>
    text !== undefined &&
    text.length >= least &&
    text.length <= most &&
    patterns.every((pattern) => matches(pattern, text));
  const padded = "text ".repeat(Math.ceil(least / 5) + 1).slice(0, Math.max(least, Math.min(4, most)));
  return [...formats, ...CANDIDATES].find(fits) ?? padded;
};

const numberExample = (parts: readonly JsonSchema[], step: number): number => {
  const least = [
    ...numbers(parts, "minimum"),
    ...numbers(parts, "exclusiveMinimum").map((bound) => bound + step),
  ];
  const most = [
    ...numbers(parts, "maximum"),
    ...numbers(parts, "exclusiveMaximum").map((bound) => bound - step),
  ];
  const multiple = numbers(parts, "multipleOf")[0] ?? step;
  return Math.min(Math.max(multiple, ...least), ...most);
};

/**
 * The schema's own example, default or constant where it has one, a value made from its keywords otherwise;
 * undefined where it leads back to itself.
 */
export const exampleOf = (schema: JsonSchema, schemas: Schemas, seen: readonly string[] = []): unknown => {
  const name = referredName(schema);
  if (name !== undefined && seen.includes(name)) return undefined;
  const within = name === undefined ? seen : [...seen, name];
  const parts = partsOf(schema, schemas, seen);
  const known = [
    listOf(first(parts, "examples"))[0],
    first(parts, "example"),
    first(parts, "default"),
    first(parts, "const"),
    listOf(first(parts, "enum"))[0],
  ].find((value) => value !== undefined);
  if (known !== undefined) return known;

  const properties = propertiesOf(parts);
  if (properties.size > 0) return objectExample(parts, properties, schemas, within);
  const alternatives = parts.flatMap(alternativesOf);
  if (alternatives.length > 0)
    return alternatives
      .map((each) => exampleOf(each, schemas, within))
      .find((example) => example !== undefined);
  return typedExample(parts, schemas, within);
};

const objectExample = (
  parts: readonly JsonSchema[],
  properties: Map<string, JsonSchema>,
  schemas: Schemas,
  within: readonly string[],
): unknown => {
  const required = requiredOf(parts);
  const fields = [...properties]
    .filter(([, property]) => property["readOnly"] !== true)
    .map(([field, property]) => [field, exampleOf(property, schemas, within)] as const);
  const cyclic = fields.some(([field, value]) => value === undefined && required.has(field));
  return cyclic ? undefined : Object.fromEntries(fields.filter(([, value]) => value !== undefined));
};

const typedExample = (parts: readonly JsonSchema[], schemas: Schemas, within: readonly string[]): unknown => {
  const items = first(parts, "items");
  const type = parts.flatMap(typesOf)[0];
  switch (type) {
    case "array": {
      const item = isSchema(items) ? exampleOf(items, schemas, within) : undefined;
      return item === undefined ? [] : [item];
    }
    case "integer":
      return numberExample(parts, 1);
    case "number":
      return numberExample(parts, 0.5);
    case "boolean":
      return true;
    case "null":
      return null;
    case "string":
      return textExample(parts);
    default:
      return parts.some((part) => part["pattern"] !== undefined) ? textExample(parts) : {};
  }
};
