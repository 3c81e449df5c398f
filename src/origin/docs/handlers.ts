/** The API reference, built when the process starts: a page with Swagger UI and the problem types. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { html } from "hono/html";
import { apiTitle } from "#api/contract/routes.ts";
import { contract, documentationRoutes } from "../../contract/contract.ts";
import { openApiDocument } from "../../contract/openapi.ts";
import { isProblemCode, problemTypes } from "../../contract/problem.ts";
import type { Handlers } from "../handler.ts";

const { getOpenApi, getDocsScript, getDocsStyle } = documentationRoutes;

/** Swagger UI needs neither `eval` nor inline styles; its icons are `data:` images. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/**
 * Starts Swagger UI; appended to its script, because the policy forbids inline scripts. Deep links would
 * rewrite the fragment of a problem. A validator URL would send the document's address to another host.
 */
export const initializer = `
document.documentElement.classList.toggle("dark-mode", matchMedia("(prefers-color-scheme: dark)").matches);
SwaggerUIBundle({
  url: ${JSON.stringify(getOpenApi.path)},
  dom_id: "#reference",
  deepLinking: !location.hash.startsWith("#problem-"),
  validatorUrl: null,
});
`;

/**
 * Appended to Swagger UI's style sheet. If the address names a problem, the problems come first: Swagger UI
 * would push them away after the browser has scrolled to the row.
 */
const problemStyle = `
body { display: flex; flex-direction: column; }
body:has(tr:target) > #reference { order: 1; }
#problems :is(th, td) { padding: 6px 24px 6px 0; text-align: left; vertical-align: top; }
#problems code { overflow-wrap: anywhere; }
#problems tr:target { outline: 2px solid #49cc90; }
`;

const problemRows = Object.keys(problemTypes)
  .filter(isProblemCode)
  .map((code) => {
    const { status, title } = problemTypes[code];
    return html`<tr id="problem-${code}"><th scope="row"><code>${code}</code></th><td>${status}</td><td>${title}</td></tr>
`;
  });

/** The type of every problem links to a row of this page; the list needs no script. */
export const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${apiTitle}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${getDocsStyle.path}">
<script src="${getDocsScript.path}" defer></script>
</head>
<body>
<main id="reference"><noscript>The API reference needs JavaScript. <a href="${getOpenApi.path}">The OpenAPI document</a> does not.</noscript></main>
<section id="problems" class="swagger-ui"><div class="wrapper info">
<h2>Problem types</h2>
<p>Errors are <code>application/problem+json</code> (RFC 9457): <code>code</code> identifies the problem for programs,
and <code>type</code> links to its row.</p>
<table>
<thead><tr><th scope="col">Code</th><th scope="col">Status</th><th scope="col">Title</th></tr></thead>
<tbody>
${problemRows}</tbody>
</table>
</div></section>
</body>
</html>
`.toString();

/** @param name in the package, which the image contains beside the bundle */
const readAsset = (name: string): string =>
  readFileSync(new URL(import.meta.resolve(`swagger-ui-dist/${name}`)), "utf8");

const fileAnswer = (text: string, mediaType: string) => ({
  status: 200 as const,
  text,
  headers: {
    "content-type": `${mediaType}; charset=utf-8`,
    etag: `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`,
  },
});

const document = openApiDocument(contract, { title: apiTitle, version: "1" });
const script = fileAnswer(readAsset("swagger-ui-bundle.js") + initializer, "text/javascript");
const style = fileAnswer(readAsset("swagger-ui.css") + problemStyle, "text/css");

export const documentationHandlers: Handlers<typeof documentationRoutes> = {
  getOpenApi: () => ({ status: 200, body: { ...document } }),
  getDocs: () => ({
    status: 200,
    text: page,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": contentSecurityPolicy,
    },
  }),
  getDocsScript: () => script,
  getDocsStyle: () => style,
};
