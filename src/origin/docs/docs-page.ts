/**
 * The API as a page to read: one file of HTML without script and without anything from elsewhere, so that it
 * reads the same offline and under the strictest Content-Security-Policy.
 */
import { createHash } from "node:crypto";
import type { OpenApiDocument } from "../../contract/openapi.ts";
import { type ProblemCode, problemTypes } from "../../contract/problem.ts";
import {
  type Endpoint,
  isProblemCode,
  methodBadge,
  operationView,
  problemsOf,
  scopesNeeded,
} from "./docs-operation.ts";
import { docsStyle } from "./docs-style.ts";
import { anchor, type Content, codeBlock, Html, html, joined, link, prose, table } from "./html.ts";
import { isSchema, textOf } from "./json-schema.ts";
import { schemaView } from "./schema-view.ts";

export interface DocsPage {
  readonly html: string;
  /** Allows the page's one style element, by its hash, and nothing else. */
  readonly contentSecurityPolicy: string;
}

const styleHash = createHash("sha256").update(docsStyle).digest("base64");

const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${styleHash}'`,
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const endpointsOf = ({ paths }: OpenApiDocument): Endpoint[] =>
  Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );

type Tags = ReadonlyMap<string, readonly Endpoint[]>;

const operationLink = ({ method, path, operation }: Endpoint): Html =>
  link("operation", operation.operationId, html`${method} ${path}`);

const contentsView = (tags: Tags, document: OpenApiDocument): Html => {
  const groups = [...tags].map(
    ([tag, endpoints]) => html`<li>${link("tag", tag, tag)}<ul>
${endpoints.map(
  ({ method, operation }) =>
    html`<li>${link("operation", operation.operationId, html`${methodBadge(method)} ${operation.summary}`)}</li>\n`,
)}</ul></li>
`,
  );
  const schemas = Object.keys(document.components.schemas).map(
    (name) => html`<li>${link("schema", name, name)}</li>\n`,
  );
  return html`<nav aria-labelledby="contents"><h2 id="contents">Contents</h2>
<ul>
<li><a href="#authentication">Authentication</a></li>
${groups}<li><a href="#schemas">Schemas</a>${schemas.length > 0 ? html`<ul>\n${schemas}</ul>` : undefined}</li>
<li><a href="#problems">Problems</a></li>
</ul></nav>
`;
};

const scopesView = (endpoints: readonly Endpoint[]): Html | undefined => {
  const scopes = [...new Set(endpoints.flatMap(({ operation }) => scopesNeeded(operation)))].sort();
  const rows = scopes.map((scope) => {
    const open = endpoints.filter(({ operation }) => scopesNeeded(operation).includes(scope));
    return [html`<code>${scope}</code>`, joined(open.map(operationLink), html`<br>`)];
  });
  return table("Scopes", ["Scope", "Needed for"], rows);
};

const authenticationView = (document: OpenApiDocument, endpoints: readonly Endpoint[]): Html => {
  const url = document.servers[0]?.url ?? "/";
  const address = URL.canParse(url) ? url.replace(/\/+$/, "") : "https://api.example.com";
  const schemes = Object.values(document.components.securitySchemes).filter(isSchema);
  return html`<section id="authentication"><h2>Authentication</h2>
<p>Operations that are not public need an API key, sent as <code>Authorization: Bearer …</code> with every
request. A key holds scopes; an operation says which it needs. Treat a key as a password: it belongs on
servers, not in pages or apps.</p>
${schemes.map((scheme) => prose(textOf(scheme["description"])))}<p>The commands on this page are for a POSIX shell
in which the address of the API and a key have been set:</p>
${codeBlock("Address and key", `API='${address.replaceAll("'", "%27")}'\nKEY='your API key'`)}${scopesView(endpoints)}</section>
`;
};

const schemasView = ({ components: { schemas } }: OpenApiDocument): Html =>
  html`<section><h2 id="schemas">Schemas</h2>
${Object.entries(schemas).map(
  ([name, schema]) => html`<section class="schema" id="${anchor("schema", name)}"><h3>${name}</h3>
${prose(textOf(schema["description"]))}${schemaView(`Schema ${name}`, schema, schemas)}</section>
`,
)}</section>
`;

const answeredBy = (code: ProblemCode, endpoints: readonly Endpoint[]): Content => {
  const those = endpoints.filter(({ operation }) => problemsOf(operation).includes(code));
  if (those.length === 0) return "no operation in particular.";
  if (those.length === endpoints.length) return "every operation.";
  return html`${joined(those.map(operationLink), ", ")}.`;
};

const problemsView = (endpoints: readonly Endpoint[]): Html => {
  const codes = Object.keys(problemTypes).filter(isProblemCode);
  return html`<section><h2 id="problems">Problems</h2>
<p>What an operation refuses or fails to do it answers as <code>application/problem+json</code> (RFC 9457).
<code>code</code> names the problem for programs; <code>type</code> leads to its paragraph here.</p>
${codes.map(
  (code) => html`<section class="problem" id="${anchor("problem", code)}"><h3><code>${code}</code></h3>
<p><strong>${problemTypes[code].status}</strong> ${problemTypes[code].title}.
<br>Answered by: ${answeredBy(code, endpoints)}</p></section>
`,
)}</section>
`;
};

/** Pure: the same document gives the same page. Whatever texts the document holds are escaped. */
export const docsPage = (document: OpenApiDocument): DocsPage => {
  const { title, version, description } = document.info;
  const { schemas } = document.components;
  const endpoints = endpointsOf(document);
  const tags = Map.groupBy(endpoints, ({ operation }) => operation.tags[0] ?? "Other");
  const operations = [...tags].map(
    ([tag, tagged]) => html`<section><h2 id="${anchor("tag", tag)}">${tag}</h2>
${tagged.map((endpoint) => operationView(endpoint, schemas))}</section>
`,
  );
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<style>${new Html(docsStyle)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the text</a>
<header><h1>${title}</h1>
<p class="version">Version ${version}, OpenAPI ${document.openapi}</p>
${prose(description)}</header>
${contentsView(tags, document)}<main id="main">
${authenticationView(document, endpoints)}${operations}${schemasView(document)}${problemsView(endpoints)}</main>
</body>
</html>
`;
  return { html: page.source, contentSecurityPolicy };
};
