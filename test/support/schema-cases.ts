/** Values that a JSON schema takes, and values that it refuses, one breach each. */
import type { JsonSchema, OpenApiDocument } from "../../src/contract/openapi.ts";

export interface Breach {
  /** What is wrong, for the test's title. */
  readonly what: string;
  /** The field that the refusal has to name. */
  readonly field: string;
  /** The whole value with this one breach in it. */
  readonly value: unknown;
}

type Resolve = (schema: JsonSchema) => JsonSchema;

const isSchema = (value: unknown): value is JsonSchema => typeof value === "object" && value !== null;

export const resolver =
  (document: OpenApiDocument): Resolve =>
  (schema) => {
    const reference = schema["$ref"];
    if (typeof reference !== "string") return schema;
    return document.components.schemas[reference.replace("#/components/schemas/", "")] ?? {};
  };

const numberOf = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);

const propertiesOf = (schema: JsonSchema): [string, JsonSchema][] =>
  isSchema(schema["properties"])
    ? Object.entries(schema["properties"]).filter((entry): entry is [string, JsonSchema] =>
        isSchema(entry[1]),
      )
    : [];

const requiredOf = (schema: JsonSchema): string[] =>
  Array.isArray(schema["required"]) ? schema["required"].filter((name) => typeof name === "string") : [];

/** A value that the schema takes. */
export const validValue = (given: JsonSchema, resolve: Resolve): unknown => {
  const schema = resolve(given);
  const { examples, const: constant, enum: words, type } = schema;
  if (Array.isArray(examples) && examples.length > 0) return examples[0];
  if (constant !== undefined) return constant;
  if (Array.isArray(words)) return words[0];
  if (schema["default"] !== undefined) return schema["default"];
  switch (type) {
    case "object":
      return Object.fromEntries(
        propertiesOf(schema).map(([name, each]) => [name, validValue(each, resolve)]),
      );
    case "array":
      return Array.from({ length: numberOf(schema["minItems"]) ?? 1 }, () =>
        isSchema(schema["items"]) ? validValue(schema["items"], resolve) : null,
      );
    case "integer":
    case "number":
      return numberOf(schema["minimum"]) ?? 1;
    case "string":
      return schema["format"] === "uuid"
        ? crypto.randomUUID()
        : "x".repeat(numberOf(schema["minLength"]) ?? 1);
    default:
      return null;
  }
};

const joined = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`);

const stringBreaches = (schema: JsonSchema, field: string): Breach[] => {
  const { minLength, maxLength, pattern, format } = schema;
  const min = numberOf(minLength);
  const max = numberOf(maxLength);
  const mismatch =
    typeof pattern !== "string"
      ? undefined
      : ["\0", "!", ""].find((text) => !new RegExp(pattern, "u").test(text));
  return [
    ...(min === undefined || min === 0 ? [] : [{ what: "too short", field, value: "x".repeat(min - 1) }]),
    ...(max === undefined ? [] : [{ what: "too long", field, value: "x".repeat(max + 1) }]),
    ...(mismatch === undefined ? [] : [{ what: "against its pattern", field, value: mismatch }]),
    ...(format === "uuid" ? [{ what: "no UUID", field, value: "not-a-uuid" }] : []),
  ];
};

const numberBreaches = (schema: JsonSchema, field: string): Breach[] => {
  const min = numberOf(schema["minimum"]);
  const max = numberOf(schema["maximum"]);
  return [
    ...(min === undefined ? [] : [{ what: "too small", field, value: min - 1 }]),
    ...(max === undefined || max >= Number.MAX_SAFE_INTEGER
      ? []
      : [{ what: "too large", field, value: max + 1 }]),
    ...(schema["type"] === "integer" ? [{ what: "no whole number", field, value: 1.5 }] : []),
  ];
};

const objectBreaches = (schema: JsonSchema, field: string, resolve: Resolve): Breach[] => {
  const valid = validValue(schema, resolve);
  const base: Record<string, unknown> = isSchema(valid) ? { ...valid } : {};
  const missing = requiredOf(schema).map((name) => {
    const { [name]: _, ...value } = base;
    return { what: `without ${name}`, field: joined(field, name), value };
  });
  const extra =
    schema["additionalProperties"] === false
      ? [{ what: "with a field too many", field: joined(field, "surplus"), value: { ...base, surplus: 1 } }]
      : [];
  const nested = propertiesOf(schema).flatMap(([name, each]) =>
    breaches(each, resolve, joined(field, name)).map((breach) => ({
      ...breach,
      value: { ...base, [name]: breach.value },
    })),
  );
  return [...missing, ...extra, ...nested];
};

const arrayBreaches = (schema: JsonSchema, field: string, resolve: Resolve): Breach[] => {
  const min = numberOf(schema["minItems"]);
  const max = numberOf(schema["maxItems"]);
  const items = isSchema(schema["items"]) ? schema["items"] : {};
  const of = (length: number): unknown[] => Array.from({ length }, () => validValue(items, resolve));
  return [
    ...(min === undefined ? [] : [{ what: "too few", field, value: of(min - 1) }]),
    ...(max === undefined ? [] : [{ what: "too many", field, value: of(max + 1) }]),
    ...breaches(items, resolve, `${field}[0]`).map((breach) => ({ ...breach, value: [breach.value] })),
  ];
};

/** Every single breach of the schema that it can tell of. */
export const breaches = (given: JsonSchema, resolve: Resolve, field = ""): Breach[] => {
  const schema = resolve(given);
  const ofType = { what: "of another type", field, value: schema["type"] === "array" ? 7 : [] };
  const other =
    schema["const"] === undefined && !schema["enum"]
      ? []
      : [{ what: "another word", field, value: "another-word" }];
  switch (schema["type"]) {
    case "object":
      return [ofType, ...objectBreaches(schema, field, resolve)];
    case "array":
      return [ofType, ...arrayBreaches(schema, field, resolve)];
    case "integer":
    case "number":
      return [ofType, ...numberBreaches(schema, field)];
    case "string":
      return [ofType, ...other, ...stringBreaches(schema, field)];
    default:
      return other;
  }
};

/** The breaches that a parameter, which is always text, can have; as text. */
export const parameterBreaches = (
  schema: JsonSchema,
  resolve: Resolve,
  name: string,
): (Breach & { value: string })[] => {
  const found = breaches(schema, resolve, name).filter(({ what }) => what !== "of another type");
  const words = schema["type"] === "integer" ? [{ what: "no number", field: name, value: "many" }] : [];
  return [...found, ...words].map((breach) => ({ ...breach, value: String(breach.value) }));
};
