/** The frame of the receiver's pages: no script, nothing from elsewhere, and nothing else allowed. */
import { createHash } from "node:crypto";
import { STATUS_CODES } from "node:http";
import type { Answer, RefusedRequest } from "./answer.ts";
import { type Content, Html, html } from "./html.ts";
import { pageStyle } from "./page-style.ts";

export interface PageContent {
  /** @default 200 */
  readonly status?: number;
  readonly title: string;
  readonly main: Content;
  /** Rules beside the common ones; never made of what was received. */
  readonly style?: string;
}

/** Allows the page's one style element, by its hash, and its form. */
const contentSecurityPolicy = (style: string): string =>
  [
    "default-src 'none'",
    `style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`,
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join("; ");

export const page = ({ status = 200, title, main, style = "" }: PageContent): Answer => {
  const rules = `${pageStyle}${style}`;
  const { source } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<style>${new Html(rules)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<nav aria-label="Telemetry"><a href="/">Traces</a><a href="/traces.json">Traces as JSON</a><a href="/logs.json">Logs as JSON</a><a href="/metrics">Metrics</a></nav>
<main id="main">
${main}</main>
</body>
</html>
`;
  return {
    status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": contentSecurityPolicy(rules),
      "referrer-policy": "no-referrer",
    },
    body: source,
  };
};

export const refusalPage = ({ status, message, headers }: RefusedRequest): Answer => {
  const title = STATUS_CODES[status] ?? String(status);
  const answer = page({
    status,
    title,
    main: html`<h1>${title}</h1>
<p>${message}</p>
<p><a href="/">All traces</a></p>
`,
  });
  return { ...answer, headers: { ...headers, ...answer.headers } };
};
