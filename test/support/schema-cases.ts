/** Valid values of a JSON schema, and invalid ones with one breach each. */
import { z } from "zod";
import type { JsonSchema, OpenApiDocument } from "../../src/contract/openapi.ts";

export interface Breach {
  /** For the test's title. */
  readonly what: string;
  /** The field that the rejection must name. */
  readonly field: string;
  /** The whole value with this one breach in it. */
  readonly value: unknown;
}

type Resolve = (schema: JsonSchema) => JsonSchema;

export const resolver =
  (document: OpenApiDocument): Resolve =>
  (schema) => {
    const reference = schema["$ref"];
    if (typeof reference !== "string") return schema;
    return document.components.schemas[reference.replace("#/components/schemas/", "")] ?? {};
  };

const schema = z.record(z.string(), z.unknown());
const count = z.number().optional();
const keywords = z.object({
  type: z.string().optional(),
  examples: z.array(z.unknown()).default([]),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  default: z.unknown().optional(),
  properties: z.record(z.string(), schema).default({}),
  required: z.array(z.string()).default([]),
  additionalProperties: z.unknown().optional(),
  items: schema.default({}),
  uniqueItems: z.boolean().optional(),
  ...{
    minProperties: count,
    minItems: count,
    maxItems: count,
    minLength: count,
    maxLength: count,
    minimum: count,
    maximum: count,
  },
  pattern: z.string().optional(),
  format: z.string().optional(),
});

type Values = readonly (readonly [what: string, value: unknown])[];

/** A valid value of the schema. */
export const validValue = (unresolved: JsonSchema, resolve: Resolve): unknown => {
  const { type, ...own } = keywords.parse(resolve(unresolved));
  const [fixed] = [...own.examples, own.const, own.enum?.[0], own.default].filter(
    (each) => each !== undefined,
  );
  if (fixed !== undefined) return fixed;
  switch (type) {
    case "object":
      return Object.fromEntries(
        Object.entries(own.properties).map(([name, each]) => [name, validValue(each, resolve)]),
      );
    case "array":
      return Array.from({ length: own.minItems ?? 1 }, () => validValue(own.items, resolve));
    case "integer":
    case "number":
      return own.minimum ?? 1;
    case "string":
      return own.format === "uuid" ? crypto.randomUUID() : "x".repeat(own.minLength ?? 1);
    default:
      return null;
  }
};

const stringValues = ({ minLength = 0, maxLength, pattern, format }: z.infer<typeof keywords>): Values => {
  const mismatch = ["\0", "!", ""].find(
    (text) => pattern !== undefined && !new RegExp(pattern, "u").test(text),
  );
  return [
    ...(minLength === 0 ? [] : [["too short", "x".repeat(minLength - 1)] as const]),
    ...(maxLength === undefined ? [] : [["too long", "x".repeat(maxLength + 1)] as const]),
    ...(mismatch === undefined ? [] : [["against its pattern", mismatch] as const]),
    ...(format === "uuid" ? [["not a UUID", "not-a-uuid"] as const] : []),
  ];
};

const numberValues = ({ type, minimum, maximum }: z.infer<typeof keywords>): Values => [
  ...(minimum === undefined ? [] : [["too small", minimum - 1] as const]),
  ...(maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER
    ? []
    : [["too large", maximum + 1] as const]),
  ...(type === "integer" ? [["not an integer", 1.5] as const] : []),
];

const objectBreaches = (unresolved: JsonSchema, resolve: Resolve, field: string): Breach[] => {
  const own = keywords.parse(resolve(unresolved));
  const pathOf = (name: string): string => (field === "" ? name : `${field}.${name}`);
  const base = schema.parse(validValue(unresolved, resolve));
  const missing = own.required.map((name) => {
    const { [name]: _, ...value } = base;
    return { what: `without ${name}`, field: pathOf(name), value };
  });
  const unknown = { what: "with an unknown field", field: pathOf("surplus"), value: { ...base, surplus: 1 } };
  const nested = Object.entries(own.properties).flatMap(([name, each]) =>
    breaches(each, resolve, pathOf(name)).map((breach) => ({
      ...breach,
      value: { ...base, [name]: breach.value },
    })),
  );
  const few = own.minProperties === undefined ? [] : [{ what: "with too few fields", field, value: {} }];
  return [...missing, ...(own.additionalProperties === false ? [unknown] : []), ...few, ...nested];
};

const arrayBreaches = (own: z.infer<typeof keywords>, resolve: Resolve, field: string): Breach[] => {
  const of = (length: number): unknown[] => Array.from({ length }, () => validValue(own.items, resolve));
  return [
    ...(own.minItems === undefined ? [] : [{ what: "too few", field, value: of(own.minItems - 1) }]),
    ...(own.maxItems === undefined ? [] : [{ what: "too many", field, value: of(own.maxItems + 1) }]),
    ...(own.uniqueItems
      ? [{ what: "twice the same", field, value: Array(2).fill(validValue(own.items, resolve)) }]
      : []),
    ...breaches(own.items, resolve, `${field}[0]`).map((breach) => ({ ...breach, value: [breach.value] })),
  ];
};

/** One value for every keyword of the schema that a value can violate. */
export const breaches = (unresolved: JsonSchema, resolve: Resolve, field = ""): Breach[] => {
  const own = keywords.parse(resolve(unresolved));
  const ofType = { what: "of another type", field, value: own.type === "array" ? 7 : [] };
  const words: Values =
    own.const === undefined && own.enum === undefined ? [] : [["another word", "another-word"]];
  const listed = (values: Values): Breach[] => values.map(([what, value]) => ({ what, field, value }));
  switch (own.type) {
    case "object":
      return [ofType, ...objectBreaches(unresolved, resolve, field)];
    case "array":
      return [ofType, ...arrayBreaches(own, resolve, field)];
    case "integer":
    case "number":
      return [ofType, ...listed(numberValues(own))];
    case "string":
      return [ofType, ...listed([...words, ...stringValues(own)])];
    default:
      return listed(words);
  }
};

/** The breaches of a parameter, which is always text. */
export const parameterBreaches = (
  unresolved: JsonSchema,
  resolve: Resolve,
  name: string,
): (Breach & { value: string })[] => {
  const found = breaches(unresolved, resolve, name).filter(({ what }) => what !== "of another type");
  const isInteger = unresolved["type"] === "integer";
  const words = isInteger ? [{ what: "not a number", field: name, value: "many" }] : [];
  return [...found, ...words].map((breach) => ({ ...breach, value: String(breach.value) }));
};
