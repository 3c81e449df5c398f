/** A request as a command for a POSIX shell, in which `$API` and `$KEY` stand for address and key. */
import type { Operation, Parameter } from "../../contract/openapi.ts";
import type { Schemas } from "./json-schema.ts";
import { exampleOf } from "./schema-example.ts";

/** Text that the shell leaves as it is. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const percentEncoded = (character: string): string =>
  `%${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, "0")}`;

/** What may stand in a URL between double quotes: nothing that the shell, or curl's globbing, would expand. */
const inert = (encoded: string): string => encoded.replaceAll(/[$!`"\\[\]{}]/g, percentEncoded);

const component = (value: unknown): string =>
  inert(encodeURIComponent((typeof value === "string" ? value : JSON.stringify(value)).toWellFormed()));

const literalPath = (path: string): string =>
  inert(encodeURI(path.toWellFormed()).replaceAll(/%25([0-9A-Fa-f]{2})/g, "%$1"));

const sampleOf = (parameter: Parameter | undefined, schemas: Schemas): unknown =>
  (parameter && exampleOf(parameter.schema, schemas)) ?? "text";

const pathOf = (path: string, parameters: readonly Parameter[], schemas: Schemas): string =>
  path
    .split(/\{([^{}]*)\}/)
    .map((part, index) => {
      if (index % 2 === 0) return literalPath(part);
      const parameter = parameters.find(({ name, in: place }) => place === "path" && name === part);
      return component(sampleOf(parameter, schemas));
    })
    .join("");

/** An operation that answers 428 (RFC 6585 §3) takes no request without If-Match; `*` is any version. */
const headersOf = (operation: Operation, schemas: Schemas): string[] =>
  (operation.parameters ?? [])
    .filter(({ in: place }) => place === "header")
    .flatMap((parameter) => {
      const isPrecondition = parameter.name.toLowerCase() === "if-match";
      if (isPrecondition && "428" in operation.responses) return [`${parameter.name}: *`];
      return parameter.required ? [`${parameter.name}: ${sampleOf(parameter, schemas)}`] : [];
    });

const methodOptions = (method: string): string[] => {
  if (method === "GET") return [];
  return method === "HEAD" ? ["--head"] : [`--request ${/^[A-Z]+$/.test(method) ? method : quoted(method)}`];
};

const bodyOptions = (operation: Operation, schemas: Schemas): string[] => {
  const [mediaType, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  if (mediaType === undefined || content === undefined) return [];
  return [
    `--header ${quoted(`Content-Type: ${mediaType}`)}`,
    `--data-raw ${quoted(bodyText(mediaType, exampleOf(content.schema, schemas)))}`,
  ];
};

/** An example as it goes over the wire. */
export const bodyText = (mediaType: string, example: unknown): string =>
  typeof example === "string" && !/[/+]json\b/.test(mediaType)
    ? example
    : JSON.stringify(example ?? {}, null, 2);

export const curlCommand = (method: string, path: string, operation: Operation, schemas: Schemas): string => {
  const parameters = operation.parameters ?? [];
  const query = parameters
    .filter(({ in: place, required }) => place === "query" && required)
    .map((parameter) => `${component(parameter.name)}=${component(sampleOf(parameter, schemas))}`);
  const url = pathOf(path, parameters, schemas) + (query.length > 0 ? `?${query.join("&")}` : "");
  return [
    `curl "$API${url}"`,
    ...methodOptions(method),
    ...(operation.security.length > 0 ? ['--header "Authorization: Bearer $KEY"'] : []),
    ...headersOf(operation, schemas).map((header) => `--header ${quoted(header)}`),
    ...bodyOptions(operation, schemas),
  ].join(" \\\n  ");
};
