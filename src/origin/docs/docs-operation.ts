/** One operation's section of the documentation page. */
import type { Operation, ResponseObject } from "../../contract/openapi.ts";
import { type ProblemCode, problemTypes } from "../../contract/problem.ts";
import { bodyText, curlCommand } from "./curl.ts";
import {
  anchor,
  type Content,
  codeBlock,
  type Html,
  html,
  inline,
  joined,
  link,
  prose,
  table,
} from "./html.ts";
import type { Schemas } from "./json-schema.ts";
import { exampleOf } from "./schema-example.ts";
import { schemaCell, schemaView, typeView } from "./schema-view.ts";

/** An operation and where it is. */
export interface Endpoint {
  /** In capitals. */
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/** Every scope that some way of signing in asks for. */
export const scopesNeeded = ({ security }: Operation): string[] => [
  ...new Set(security.flatMap((scheme) => Object.values(scheme).flat())),
];

export const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(problemTypes, code);

/** The problems that a response stands for: its description names them in backticks. */
const problemsIn = ({ description, content }: ResponseObject): ProblemCode[] =>
  content?.["application/problem+json"]
    ? [...description.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code).filter(isProblemCode)
    : [];

export const problemsOf = ({ responses }: Operation): ProblemCode[] =>
  Object.values(responses).flatMap(problemsIn);

export const methodBadge = (method: string): Html =>
  html`<span class="method" data-method="${method}">${method}</span>`;

const access = (operation: Operation): Html => {
  if (operation.security.length === 0) return html`<p class="access">Access: <strong>public</strong></p>`;
  const scopes = scopesNeeded(operation).map((scope) => html`<code>${scope}</code>`);
  return html`<p class="access">Access: <strong>API key</strong>${
    scopes.length > 0
      ? html` with ${scopes.length > 1 ? "scopes" : "scope"} ${joined(scopes, ", ")}`
      : undefined
  }</p>`;
};

const parametersView = ({ parameters = [], summary }: Operation, schemas: Schemas): Html | undefined => {
  const rows = parameters.map(({ name, in: place, required, schema }) => [
    html`<code>${name}</code>`,
    place,
    required ? "required" : "optional",
    schemaCell(schema, schemas),
  ]);
  const view = table(`Parameters: ${summary}`, ["Name", "In", "Required", "Type"], rows);
  return view && html`<h4>Parameters</h4>\n${view}`;
};

const requestBodyView = ({ requestBody, summary }: Operation, schemas: Schemas): Html | undefined =>
  requestBody &&
  html`<h4>Request body</h4>
${Object.entries(requestBody.content).map(
  ([mediaType, { schema }]) => html`<p><code>${mediaType}</code>, required: ${typeView(schema, schemas)}</p>
${schemaView(`Request body: ${summary}`, schema, schemas)}<p>Example:</p>
${codeBlock(`Example of a request body: ${summary}`, bodyText(mediaType, exampleOf(schema, schemas)))}`,
)}`;

const contentView = ({ content = {} }: ResponseObject, schemas: Schemas): Content => {
  const kinds = Object.entries(content).map(
    ([mediaType, { schema }]) => html`${typeView(schema, schemas)} <code>${mediaType}</code>`,
  );
  return kinds.length > 0 ? joined(kinds, html`<br>`) : "none";
};

const headersView = ({ headers = {} }: ResponseObject): Content => {
  const fields = Object.entries(headers).map(
    ([name, { description }]) => html`<code>${name}</code>: ${inline(description)}`,
  );
  return fields.length > 0 ? joined(fields, html`<br>`) : "none";
};

const responsesView = ({ responses, summary }: Operation, schemas: Schemas): Html | undefined => {
  const rows = Object.entries(responses)
    .filter(([, response]) => problemsIn(response).length === 0)
    .map(([status, response]) => [
      html`<code>${status}</code>`,
      inline(response.description),
      contentView(response, schemas),
      headersView(response),
    ]);
  const view = table(`Responses: ${summary}`, ["Status", "Meaning", "Body", "Header fields"], rows);
  return view && html`<h4>Responses</h4>\n${view}`;
};

const problemsView = ({ responses }: Operation, schemas: Schemas): Html | undefined => {
  const refusals = Object.entries(responses).filter(([, response]) => problemsIn(response).length > 0);
  const [, refusal] = refusals[0] ?? [];
  if (refusal === undefined) return undefined;
  const items = refusals.flatMap(([status, response]) =>
    problemsIn(response).map(
      (code) => html`<li>${link("problem", code, html`${status} <code>${code}</code>`)}</li>\n`,
    ),
  );
  return html`<h4>Problems</h4>
<p>Body: ${contentView(refusal, schemas)}</p>
<ul class="problems">
${items}</ul>
`;
};

export const operationView = ({ method, path, operation }: Endpoint, schemas: Schemas): Html => {
  const { operationId, summary, description } = operation;
  return html`<section class="operation" id="${anchor("operation", operationId)}">
<h3>${summary}</h3>
<p class="endpoint">${methodBadge(method)} <code>${path}</code></p>
${access(operation)}
${prose(description)}${parametersView(operation, schemas)}${requestBodyView(operation, schemas)}<h4>Request</h4>
${codeBlock(`Request with curl: ${summary}`, curlCommand(method, path, operation, schemas))}${responsesView(operation, schemas)}${problemsView(operation, schemas)}</section>
`;
};
