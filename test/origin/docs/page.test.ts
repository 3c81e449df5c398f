import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { contract } from "../../../src/contract/contract.ts";
import { isProblemCode, problemTypes, problemTypeUri } from "../../../src/contract/problem.ts";
import { contentSecurityPolicy, initializer, page } from "../../../src/origin/docs/handlers.ts";

const unescaped = (text: string): string =>
  text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");

describe("the page", () => {
  test.each(
    Object.keys(problemTypes).filter(isProblemCode),
  )("has a row with status and title of %s, to which the problem's type links", (code) => {
    const [path, id] = problemTypeUri(code).split("#");
    expect(path).toBe(contract.getDocs.path);
    const [, row = ""] = page.split(`<tr id="${id}">`);
    const { status, title } = problemTypes[code];
    expect(unescaped(row.split("</tr>")[0] ?? "")).toContain(`<td>${status}</td><td>${title}</td>`);
  });

  test("refers only to routes of the documentation", () => {
    const references = [...page.matchAll(/\s(?:href|src)="([^"]*)"/g)].map(([, target = ""]) => target);
    const paths: string[] = Object.values(contract)
      .filter(({ tag }) => tag === "Documentation")
      .map(({ path }) => path);
    expect(references.length).toBeGreaterThan(2);
    for (const reference of references) expect(["data:,", ...paths]).toContain(reference);
  });

  test("has no inline script or style, which its policy forbids", () => {
    expect(page).not.toMatch(/<style|<[^>]*\s(style|on\w+)=/i);
    expect([...page.matchAll(/<script(?![^>]*\ssrc=)/g)]).toEqual([]);
  });

  test("gives every element an id of its own", () => {
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

test("the policy allows no eval, no inline code and no other host", () => {
  expect(contentSecurityPolicy).toMatch(/^default-src 'none'; /);
  expect(contentSecurityPolicy).not.toContain("unsafe");
  const sources = contentSecurityPolicy.split("; ").flatMap((directive) => directive.split(" ").slice(1));
  expect(new Set(sources)).toEqual(new Set(["'none'", "'self'", "data:"]));
});

test.each([
  ["#/Products/listProducts", true],
  ["#problem-not_found", false],
])("the initializer at %s shows the OpenAPI document, with deep links: %s", (hash, deepLinking) => {
  const starts: unknown[] = [];
  const classes: unknown[] = [];
  runInNewContext(initializer, {
    location: { hash },
    matchMedia: () => ({ matches: true }),
    document: { documentElement: { classList: { toggle: (...change: unknown[]) => classes.push(change) } } },
    SwaggerUIBundle: (options: unknown) => starts.push(options),
  });
  expect(starts).toMatchObject([{ url: contract.getOpenApi.path, deepLinking, validatorUrl: null }]);
  expect(classes).toEqual([["dark-mode", true]]);
});
