/** Reading JSON Schema (2020-12) as a document holds it: keywords are unknown until they are looked at. */
import type { JsonSchema } from "../../contract/openapi.ts";

export type Schemas = Readonly<Record<string, JsonSchema>>;

export const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export const schemasOf = (value: unknown): readonly JsonSchema[] => listOf(value).filter(isSchema);

export const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

export const typesOf = (schema: JsonSchema): readonly string[] =>
  [schema["type"]].flat().filter((type) => typeof type === "string");

/** The schemas one of which a value keeps to. */
export const alternativesOf = (schema: JsonSchema): readonly JsonSchema[] => [
  ...schemasOf(schema["anyOf"]),
  ...schemasOf(schema["oneOf"]),
];

const REFERENCE = "#/components/schemas/";

/** The name in the document's components that a schema refers to. */
export const referredName = (schema: JsonSchema): string | undefined => {
  const reference = textOf(schema["$ref"]);
  return reference?.startsWith(REFERENCE)
    ? reference.slice(REFERENCE.length).replaceAll("~1", "/").replaceAll("~0", "~")
    : undefined;
};

export const lookUp = (name: string, schemas: Schemas): JsonSchema | undefined =>
  Object.hasOwn(schemas, name) ? schemas[name] : undefined;

/**
 * The schema and every part that it is made of: what it refers to and its `allOf`. A reference that leads
 * back is followed once.
 */
export const partsOf = (
  schema: JsonSchema,
  schemas: Schemas,
  seen: readonly string[] = [],
): readonly JsonSchema[] => {
  const name = referredName(schema);
  const referred = name === undefined || seen.includes(name) ? undefined : lookUp(name, schemas);
  const within = name === undefined ? seen : [...seen, name];
  return [
    schema,
    ...(referred ? partsOf(referred, schemas, within) : []),
    ...schemasOf(schema["allOf"]).flatMap((part) => partsOf(part, schemas, within)),
  ];
};

/** The schema's own parts: those that it does not refer to but holds. */
export const ownPartsOf = (schema: JsonSchema): readonly JsonSchema[] => partsOf(schema, {});

export const propertiesOf = (parts: readonly JsonSchema[]): Map<string, JsonSchema> =>
  new Map(
    parts
      .flatMap(({ properties }) => (isSchema(properties) ? Object.entries(properties) : []))
      .map(([name, property]) => [name, isSchema(property) ? property : {}]),
  );

export const requiredOf = (parts: readonly JsonSchema[]): Set<unknown> =>
  new Set(parts.flatMap(({ required }) => listOf(required)));
