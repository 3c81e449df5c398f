/** Random values of a JSON schema, and values that violate one of its constraints (JSON Schema 2020-12, a subset). */
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import fc from "fast-check";
import type { JsonSchema, OpenApiDocument } from "../../src/contract/openapi.ts";

type Json = Readonly<Record<string, unknown>>;

/** A value with one violation, and the field that a rejection has to name. */
export interface Mutation {
  readonly what: string;
  readonly field: string;
  readonly value: unknown;
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const schemaOf = (value: unknown): Json => (isObject(value) ? value : {});
const schemasOf = (value: unknown): Json[] => (Array.isArray(value) ? value.map(schemaOf) : []);
const numberOf = (value: unknown, fallback: number): number => (typeof value === "number" ? value : fallback);
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** The only property of the items by which they must differ, in the document's extension of `uniqueItems`. */
const KEY = "x-unique-by";

const patternsOf = (schema: Json): RegExp[] =>
  [schema, ...schemasOf(schema["allOf"])].flatMap(({ pattern }) =>
    typeof pattern === "string" ? [new RegExp(pattern, "u")] : [],
  );

/** Units of the longest and the shortest text: one UTF-16 code unit, and two. */
const UNITS = ["a", "\u{1f9ed}"] as const;

/** Undefined if fast-check has no generator for the pattern. */
const matching = (pattern: RegExp): fc.Arbitrary<string> | undefined => {
  try {
    return fc.stringMatching(pattern);
  } catch {
    return undefined;
  }
};

const formats: Readonly<Record<string, fc.Arbitrary<string>>> = {
  uuid: fc.uuid(),
  ipv4: fc.ipV4(),
  ipv6: fc.ipV6(),
  cidrv4: fc.tuple(fc.ipV4(), fc.nat(32)).map(([address, length]) => `${address}/${length}`),
  cidrv6: fc.tuple(fc.ipV6(), fc.nat(128)).map(([address, length]) => `${address}/${length}`),
};

export const schemaTools = (document: OpenApiDocument) => {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  ajv.addKeyword({
    keyword: KEY,
    type: "array",
    validate: (name: string, items: readonly unknown[]) =>
      new Set(items.map((item) => schemaOf(item)[name])).size === items.length,
  });
  const resolve = (schema: unknown): Json => {
    const written = schemaOf(schema);
    const { $ref } = written;
    return typeof $ref === "string"
      ? schemaOf(document.components.schemas[$ref.replace("#/components/schemas/", "")])
      : written;
  };
  /** References are replaced: no schema of a request is recursive. */
  const inlined = (schema: unknown): unknown => {
    if (Array.isArray(schema)) return schema.map(inlined);
    if (!isObject(schema)) return schema;
    return Object.fromEntries(Object.entries(resolve(schema)).map(([name, each]) => [name, inlined(each)]));
  };
  const accepts = (schema: JsonSchema): ((value: unknown) => boolean) => {
    const validate = ajv.compile(schemaOf(inlined(schema)));
    return (value) => validate(value);
  };

  const text = (schema: Json): fc.Arbitrary<unknown> => {
    const min = numberOf(schema["minLength"], 0);
    const max = numberOf(schema["maxLength"], 300);
    const { format } = schema;
    const known = typeof format === "string" ? formats[format] : undefined;
    const free = ["grapheme", "binary"] as const;
    const any = free.map((unit) => fc.string({ unit, minLength: min, maxLength: max }));
    const bounds = fc
      .tuple(fc.constantFrom(...UNITS), fc.constantFrom(Math.max(1, min), max))
      .map(([unit, count]) => unit.repeat(count));
    const generated = patternsOf(schema).flatMap((pattern) => matching(pattern) ?? []);
    return (known ?? fc.oneof(...generated, ...any, { arbitrary: bounds, weight: 2 })).filter(
      accepts(schema),
    );
  };

  const list = (schema: Json): fc.Arbitrary<unknown> => {
    const minLength = numberOf(schema["minItems"], 0);
    const maxLength = numberOf(schema["maxItems"], 5);
    const items = arbitraryOf(schemaOf(schema["items"]));
    const name = schema[KEY];
    const selector = (item: unknown): string =>
      JSON.stringify(typeof name === "string" ? schemaOf(item)[name] : item);
    return schema["uniqueItems"] === true
      ? fc.uniqueArray(items, { minLength, maxLength, selector })
      : fc.array(items, { minLength, maxLength });
  };

  const object = (schema: Json): fc.Arbitrary<unknown> => {
    const properties = Object.entries(schemaOf(schema["properties"]));
    const required = listOf(schema["required"]).filter((name) => typeof name === "string");
    const model = Object.fromEntries(properties.map(([name, each]) => [name, arbitraryOf(schemaOf(each))]));
    return fc.record(model, { requiredKeys: required, noNullPrototype: true }).filter(accepts(schema));
  };

  const arbitraryOf = (unresolved: JsonSchema): fc.Arbitrary<unknown> => {
    const schema = resolve(unresolved);
    if ("const" in schema) return fc.constant(schema["const"]);
    if (Array.isArray(schema["enum"])) return fc.constantFrom(...schema["enum"]);
    if (Array.isArray(schema["anyOf"])) return fc.oneof(...schemasOf(schema["anyOf"]).map(arbitraryOf));
    switch (schema["type"]) {
      case "object":
        return object(schema);
      case "array":
        return list(schema);
      case "integer":
        return fc.maxSafeInteger().map((any) => {
          const [min, max] = [numberOf(schema["minimum"], 0), numberOf(schema["maximum"], 1_000)];
          return any % 3 === 0 ? min : any % 3 === 1 ? max : min + (Math.abs(any) % (max - min + 1));
        });
      case "string":
        return text(schema);
      default:
        return fc.constant(null);
    }
  };

  const ofScalar = (schema: Json, field: string): Mutation[] => {
    const { minimum, maximum, minLength, maxLength } = schema;
    const values: (readonly [string, unknown])[] = [];
    if (typeof minimum === "number") values.push(["too small", minimum - 1]);
    if (typeof maximum === "number") values.push(["too large", maximum + 1]);
    if (schema["type"] === "integer") values.push(["not whole", 1.5], ["a number in quotes", "1"]);
    if (typeof minLength === "number" && minLength > 0) values.push(["too short", "a".repeat(minLength - 1)]);
    if (typeof maxLength === "number")
      for (const unit of UNITS) values.push(["too long", unit.repeat(maxLength + 1)]);
    if (schema["type"] === "string" || "anyOf" in schema)
      for (const other of ["\0", "", " ", "!", "a b", "not-a-value", `${"a ".repeat(6)}a`])
        values.push([`${JSON.stringify(other)}`, other]);
    return values.map(([what, value]) => ({ what, field, value }));
  };

  const ofObject = (schema: Json, base: Json, field: string): Mutation[] => {
    const pathOf = (name: string): string => (field === "" ? name : `${field}.${name}`);
    const without = listOf(schema["required"]).map((name) => {
      const { [String(name)]: _, ...value } = base;
      return { what: `without ${name}`, field: pathOf(String(name)), value };
    });
    const unknown = { what: "an unknown field", field: pathOf("surplus"), value: { ...base, surplus: 1 } };
    const nested = Object.entries(schemaOf(schema["properties"])).flatMap(([name, each]) =>
      name in base
        ? mutationsOf(schemaOf(each), base[name], pathOf(name)).map((mutation) => ({
            ...mutation,
            value: { ...base, [name]: mutation.value },
          }))
        : [],
    );
    return [...without, unknown, { what: "no fields", field, value: {} }, ...nested];
  };

  const ofList = (schema: Json, base: readonly unknown[], field: string): Mutation[] => {
    const [first, ...others] = base;
    const max = numberOf(schema["maxItems"], 1_000);
    const nested = mutationsOf(schemaOf(schema["items"]), first, `${field}[0]`);
    return [
      { what: "no items", field, value: [] },
      { what: "too many items", field, value: Array.from({ length: max + 1 }, () => first) },
      { what: "an item twice", field, value: [...base, first] },
      ...nested.map((mutation) => ({ ...mutation, value: [mutation.value, ...others] })),
    ];
  };

  /** Every value that differs from a valid one in one place, and which the schema does not accept. */
  const mutationsOf = (unresolved: JsonSchema, base: unknown, field = ""): Mutation[] => {
    const schema = resolve(unresolved);
    const isValid = accepts(schema);
    const types = [null, true, 7, "text", [], {}].map((value) => ({
      what: `${JSON.stringify(value)} for a value of another type`,
      field,
      value,
    }));
    const inside = Array.isArray(base)
      ? ofList(schema, base, field)
      : isObject(base)
        ? ofObject(schema, base, field)
        : ofScalar(schema, field);
    return [...types, ...inside].filter(({ value }) => !isValid(value));
  };

  return { arbitraryOf, mutationsOf };
};
