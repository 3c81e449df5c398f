import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { contract } from "../../src/contract/contract.ts";
import { type OpenApiDocument, type Operation, openApiDocument } from "../../src/contract/openapi.ts";
import { problemTypes } from "../../src/contract/problem.ts";
import { docsPage } from "../../src/origin/docs/docs-page.ts";

const markup = `<script>alert("1")</script><img src=x onerror='a'>&amp; \`<b>code</b>\``;

const operation = (operationId: string, more: Partial<Operation> = {}): Operation => ({
  operationId,
  summary: `Operation ${operationId}`,
  tags: ["Things & more"],
  security: [],
  responses: { "204": { description: "Done" } },
  ...more,
});

const documentOf = (
  paths: OpenApiDocument["paths"],
  schemas: OpenApiDocument["components"]["schemas"] = {},
  info = { title: "Things", version: "1.2.3", description: "Everything." },
): OpenApiDocument => ({
  openapi: "3.1.1",
  info,
  servers: [{ url: "/" }],
  paths,
  components: { schemas, securitySchemes: { apiKey: { type: "http", scheme: "bearer" } } },
});

const node = {
  type: "object",
  required: ["name"],
  properties: {
    name: { type: "string", minLength: 2, maxLength: 30 },
    size: { type: "integer", minimum: 3, default: 4 },
    parent: { $ref: "#/components/schemas/Node" },
    kinds: { type: "array", maxItems: 5, items: { type: "object", properties: { code: { const: "it's" } } } },
  },
  additionalProperties: false,
};

const hostile = documentOf(
  {
    [`/x/${markup}/{i d}`]: {
      [`get${markup}`]: operation(markup, {
        summary: markup,
        description: markup,
        tags: [markup],
        security: [{ apiKey: [markup] }],
        parameters: [
          { name: markup, in: "query", required: true, schema: { description: markup, pattern: markup } },
          { name: "i d", in: "path", required: true, schema: { enum: [markup] } },
        ],
        requestBody: { required: true, content: { [markup]: { schema: { $ref: `#/x/${markup}` } } } },
        responses: {
          [markup]: {
            description: markup,
            headers: { [markup]: { description: markup, schema: {} } },
            content: { [markup]: { schema: { type: "string", format: markup, default: markup } } },
          },
        },
      }),
    },
  },
  { [markup]: { description: markup, properties: { [markup]: { const: markup } } } },
  { title: markup, version: markup, description: markup },
);

const things = documentOf(
  {
    "/things/{id}/$(touch x)": {
      put: operation("put thing", {
        security: [{ apiKey: ["things:write"] }],
        parameters: [
          { name: "id", in: "path", required: true, schema: { type: "string", format: "uuid" } },
          { name: "why", in: "query", required: true, schema: { const: "`a` & b" } },
          { name: "page", in: "query", required: false, schema: { type: "integer", maximum: 9 } },
          { name: "if-match", in: "header", required: false, schema: { type: "string" } },
        ],
        requestBody: {
          required: true,
          content: { "application/json": { schema: { $ref: "#/components/schemas/Node" } } },
        },
        responses: {
          "200": { description: "Done", headers: { etag: { description: "Its version", schema: {} } } },
          "428": {
            description: "`precondition_required`: name the version",
            content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Loop" } } },
          },
        },
      }),
      get: operation("get-thing"),
    },
  },
  { Node: node, Loop: { $ref: "#/components/schemas/Loop" }, Either: { oneOf: [{ type: "null" }, node] } },
);

const shop = openApiDocument(contract, { title: "Shop", version: "1.0.0" });

const idsIn = (page: string): string[] => [...page.matchAll(/ id="([^"]*)"/g)].map(([, id = ""]) => id);

const unescaped = (text: string): string =>
  text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");

const commandsIn = (page: string): string[] =>
  [...page.matchAll(/<code>(curl [^<]*)<\/code>/g)].map(([, command = ""]) => unescaped(command));

/** The words that a shell hands to curl. */
const argumentsOf = (command: string): string[] =>
  execFileSync("/bin/sh", ["-c", `API=https://a.test KEY=k; curl() { printf '%s\\0' "$@"; }; ${command}`], {
    encoding: "utf8",
  })
    .split("\0")
    .slice(0, -1);

describe.each([
  ["this API's document", shop],
  ["another API's document", things],
  ["a document of hostile texts", hostile],
  ["an empty document", documentOf({})],
])("the page of %s", (_, document) => {
  const { html, contentSecurityPolicy } = docsPage(document);

  test("holds no script and refers to nothing outside of itself", () => {
    expect(html).not.toMatch(/<(script|link|img|iframe|object|embed|base|form)\b/i);
    expect(html.replaceAll(/"[^"]*"/g, '""')).not.toMatch(/<[^>]*\s(src|srcset|style|on\w+)=/i);
    expect(html).not.toMatch(/@import|url\(/);
    for (const [, target] of html.matchAll(/<[^>]*\shref="([^"]*)"/g)) expect(target).toMatch(/^#/);
  });

  test("gives every element an id of its own, to which every link leads", () => {
    const ids = idsIn(html);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of html.matchAll(/href="#([^"]*)"/g)) expect(ids).toContain(target);
  });

  test("has one section for every operation and every schema", () => {
    const count = (kind: string): number => idsIn(html).filter((id) => id.startsWith(`${kind}-`)).length;
    expect(count("operation")).toBe(Object.values(document.paths).flatMap(Object.keys).length);
    expect(count("schema")).toBe(Object.keys(document.components.schemas).length);
  });

  test("has a paragraph for every problem, where the problem's type leads", () => {
    for (const [code, { status, title }] of Object.entries(problemTypes)) {
      const [, section] = html.split(`id="problem-${code}"`);
      expect(unescaped(section?.split("</section>")[0] ?? "")).toMatch(`<strong>${status}</strong> ${title}`);
    }
  });

  test("closes every element that it opens", () => {
    const open: string[] = [];
    for (const [, end, name = ""] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)\b[^>]*>/g)) {
      if (["meta", "br"].includes(name)) continue;
      if (end) expect(open.pop()).toBe(name);
      else open.push(name);
    }
    expect(open).toEqual([]);
  });

  test("allows its one style by hash, and nothing else", () => {
    const [style, ...others] = [...html.matchAll(/<style>([\s\S]*?)<\/style>/g)];
    const hash = createHash("sha256")
      .update(style?.[1] ?? "")
      .digest("base64");
    expect(others).toEqual([]);
    expect(contentSecurityPolicy).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`,
    );
  });
});

test("this API's operations and schemas stand at anchors that read like their names", () => {
  const ids = idsIn(docsPage(shop).html);
  for (const name of Object.keys(contract)) expect(ids).toContain(`operation-${name}`);
  for (const name of Object.keys(shop.components.schemas)) expect(ids).toContain(`schema-${name}`);
});

test("markup in a document's texts is shown, not obeyed", () => {
  const { html } = docsPage(hostile);
  expect(html).not.toMatch(/<(b|img|script)>/);
  expect(html).toContain("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;");
  expect(html).toContain("<code>&lt;b&gt;code&lt;/b&gt;</code>");
});

test("an operation says which scopes it needs, or that it is public", () => {
  const { html } = docsPage(things);
  expect(html).toContain("<strong>API key</strong> with scope <code>things:write</code>");
  expect(html).toContain("<strong>public</strong>");
});

test("fields are read with their types, constraints and defaults, those of held objects under their paths", () => {
  const { html } = docsPage(things);
  expect(html).toMatch(/<code>name<\/code><\/th><td>required<\/td>.*2 to 30 characters/);
  expect(html).toMatch(/<code>size<\/code><\/th><td>optional<\/td>.*at least 3, default <code>4<\/code>/);
  expect(html).toMatch(/<code>parent<\/code>.*<a href="#schema-Node">Node<\/a>/);
  expect(html).toContain("<code>kinds[].code</code>");
});

test("a command reaches curl as it is meant, whatever characters the document holds", () => {
  const [command = ""] = commandsIn(docsPage(things).html);
  expect(argumentsOf(command)).toEqual([
    "https://a.test/things/01900000-0000-7000-8000-000000000001/%24(touch%20x)?why=%60a%60%20%26%20b",
    ...["--request", "PUT"],
    ...["--header", "Authorization: Bearer k"],
    ...["--header", "if-match: *"],
    ...["--header", "Content-Type: application/json"],
    ...["--data-raw", JSON.stringify({ name: "text", size: 4, kinds: [{ code: "it's" }] }, null, 2)],
  ]);
});

test("a command of a hostile document runs curl and nothing else", () => {
  const [command = ""] = commandsIn(docsPage(hostile).html);
  const [url, ...options] = argumentsOf(command);
  expect(url).toMatch(/^https:\/\/a\.test\/x\//);
  expect(options.filter((_, index) => index % 2 === 0)).toEqual([
    "--request",
    "--header",
    "--header",
    "--data-raw",
  ]);
});

test("a problem names the operations that answer with it", () => {
  const [, section] = docsPage(things).html.split('id="problem-precondition_required"');
  const [paragraph = ""] = section?.split("</section>") ?? [];
  expect(paragraph).toContain('<a href="#operation-put~20.thing">PUT /things/{id}/$(touch x)</a>');
  expect(paragraph).not.toContain("get-thing");
});
