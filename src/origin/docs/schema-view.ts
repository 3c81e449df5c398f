/** How a schema reads: its type in a line, its constraints, and its fields as a table. */
import type { JsonSchema } from "../../contract/openapi.ts";
import { type Content, type Html, html, inline, joined, link, table } from "./html.ts";
import {
  alternativesOf,
  isSchema,
  listOf,
  lookUp,
  ownPartsOf,
  partsOf,
  propertiesOf,
  referredName,
  requiredOf,
  type Schemas,
  schemasOf,
  textOf,
  typesOf,
} from "./json-schema.ts";

const literal = (value: unknown): Html => html`<code>${JSON.stringify(value)}</code>`;

const LONG_PATTERN = 60;

const pattern = (value: unknown): Html => {
  const source = String(value);
  return source.length > LONG_PATTERN
    ? html`<details><summary>a pattern</summary><code>${source}</code></details>`
    : html`matches <code>${source}</code>`;
};

const number = (value: unknown): string => (typeof value === "number" ? value.toLocaleString("en") : "");

const RANGES: readonly (readonly [least: string, most: string, unit: string])[] = [
  ["minimum", "maximum", ""],
  ["minLength", "maxLength", " characters"],
  ["minItems", "maxItems", " items"],
  ["minProperties", "maxProperties", " fields"],
];

const rangeOf = (least: unknown, most: unknown, unit: string): string | undefined => {
  const isBounded = typeof least === "number" && (unit === "" || least > 0);
  if (isBounded && typeof most === "number") return `${number(least)} to ${number(most)}${unit}`;
  if (isBounded) return `at least ${number(least)}${unit}`;
  return typeof most === "number" ? `at most ${number(most)}${unit}` : undefined;
};

/** In the order in which they are read out. */
const CONSTRAINTS: readonly (readonly [keyword: string, (value: unknown) => Content])[] = [
  ["exclusiveMinimum", (value) => `more than ${number(value)}`],
  ["exclusiveMaximum", (value) => `less than ${number(value)}`],
  ["multipleOf", (value) => `a multiple of ${number(value)}`],
  ["uniqueItems", (value) => (value === true ? "no item twice" : undefined)],
  ["readOnly", (value) => (value === true ? "only read" : undefined)],
  ["writeOnly", (value) => (value === true ? "only written" : undefined)],
  ["deprecated", (value) => (value === true ? "deprecated" : undefined)],
  ["default", (value) => html`default ${literal(value)}`],
  ["pattern", pattern],
];

const constraintsOf = (schema: JsonSchema): Content[] => {
  const parts = ownPartsOf(schema);
  const ranges = RANGES.flatMap(([least, most, unit]) =>
    parts.map((part) => rangeOf(part[least], part[most], unit)),
  );
  const others = CONSTRAINTS.flatMap(([keyword, read]) =>
    parts.filter((part) => part[keyword] !== undefined).map((part) => read(part[keyword])),
  );
  return [...ranges, ...others].filter((constraint) => constraint !== undefined);
};

const referenceView = (schema: JsonSchema, schemas: Schemas): Html | undefined => {
  const name = referredName(schema);
  if (name !== undefined && lookUp(name, schemas)) return link("schema", name, name);
  const reference = textOf(schema["$ref"]);
  return reference === undefined ? undefined : html`<code>${reference}</code>`;
};

const namedType = (type: string, schema: JsonSchema, schemas: Schemas): Content => {
  const { format, items, additionalProperties } = schema;
  if (type === "array" && isSchema(items)) return html`array of ${typeView(items, schemas)}`;
  const isMap = type === "object" && isSchema(additionalProperties) && !schema["properties"];
  if (isMap) return html`map to ${typeView(additionalProperties, schemas)}`;
  return type === "string" && typeof format === "string" ? `string (${format})` : type;
};

/** The schema's type in a line; a schema with a name of its own is a link to it. */
export const typeView = (schema: JsonSchema, schemas: Schemas): Content => {
  const reference = referenceView(schema, schemas);
  if (reference) return reference;
  if (schema["const"] !== undefined) return literal(schema["const"]);
  const values = listOf(schema["enum"]);
  if (values.length > 0) return joined(values.map(literal), " or ");
  const alternatives = alternativesOf(schema);
  if (alternatives.length > 0)
    return joined(
      alternatives.map((each) => typeView(each, schemas)),
      " or ",
    );
  const types = typesOf(schema).map((type) => namedType(type, schema, schemas));
  if (types.length > 0) return joined(types, " or ");
  const all = schemasOf(schema["allOf"]).map((part) => typeView(part, schemas));
  if (all.length > 0) return joined(all, " and ");
  return schema["properties"] ? "object" : "any value";
};

const itemsOf = (schema: JsonSchema): JsonSchema => (isSchema(schema["items"]) ? schema["items"] : {});

/** Type, constraints and description: what a table's cell says of a schema. */
export const schemaCell = (schema: JsonSchema, schemas: Schemas): Html => {
  const ofItems = typesOf(schema).includes("array") ? constraintsOf(itemsOf(schema)) : [];
  const ofAlternatives = alternativesOf(schema).flatMap(constraintsOf);
  const constraints = [...constraintsOf(schema), ...ofItems, ...ofAlternatives];
  const description = textOf(schema["description"]);
  return html`<span class="type">${typeView(schema, schemas)}</span>${
    constraints.length > 0 ? html` <div class="constraints">${joined(constraints, ", ")}</div>` : undefined
  }${description === undefined ? undefined : html` <div>${inline(description)}</div>`}`;
};

type Row = readonly [name: Content, required: string, type: Html];

/** Rows for the fields of a schema and, below each, for those of the objects that it holds. */
const fieldRows = (parts: readonly JsonSchema[], schemas: Schemas, path: string): Row[] => {
  const required = requiredOf(parts);
  return [...propertiesOf(parts)].flatMap(([name, schema]) => [
    [
      html`<code>${path}${name}</code>`,
      required.has(name) ? "required" : "optional",
      schemaCell(schema, schemas),
    ] as const,
    ...heldRows(schema, schemas, `${path}${name}`),
  ]);
};

const heldRows = (schema: JsonSchema, schemas: Schemas, path: string): Row[] => {
  const rows = fieldRows(ownPartsOf(schema), schemas, `${path}.`);
  const ofItems = isSchema(schema["items"]) ? heldRows(schema["items"], schemas, `${path}[]`) : [];
  const ofAlternatives = alternativesOf(schema).flatMap((each) => heldRows(each, schemas, path));
  return [...rows, ...ofItems, ...ofAlternatives];
};

const otherFields = (parts: readonly JsonSchema[]): Html | undefined =>
  parts.some((part) => part["additionalProperties"] === false || part["unevaluatedProperties"] === false)
    ? html`<p class="note">No other fields are taken or given.</p>\n`
    : undefined;

/** A schema in full: its fields where it has any, its type and constraints otherwise. */
export const schemaView = (label: string, schema: JsonSchema, schemas: Schemas): Html => {
  const parts = partsOf(schema, schemas);
  const rows = [
    ...fieldRows(parts, schemas, ""),
    ...parts.flatMap((part) => [
      ...(isSchema(part["items"]) ? heldRows(part["items"], schemas, "[]") : []),
      ...alternativesOf(part).flatMap((each) => fieldRows(ownPartsOf(each), schemas, "")),
    ]),
  ];
  const fields = table(label, ["Field", "Required", "Type"], rows);
  const whole = parts.find((part) => part["$ref"] === undefined) ?? schema;
  return fields && typesOf(whole).every((type) => type === "object")
    ? html`${fields}${otherFields(parts)}`
    : html`<p>${schemaCell({ ...whole, description: undefined }, schemas)}</p>\n${fields}`;
};
