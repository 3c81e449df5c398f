/**
 * HTML that cannot be written unescaped: what stands in an `html` template is text, unless it is `Html`
 * already.
 */

export class Html {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

export type Content = Html | string | number | undefined | readonly Content[];

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (each) => ENTITIES[each] ?? "");

const sourceOf = (content: Content): string => {
  if (content === undefined) return "";
  if (content instanceof Html) return content.source;
  if (typeof content === "object") return content.map(sourceOf).join("");
  return escaped(String(content));
};

export const html = (literals: TemplateStringsArray, ...contents: readonly Content[]): Html =>
  new Html(literals.map((literal, index) => literal + sourceOf(contents[index])).join(""));

export const joined = (contents: readonly Content[], separator: Content): Html =>
  html`${contents.map((content, index) => (index === 0 ? content : [separator, content]))}`;

/** Text in which `backticks` mark code. */
export const inline = (text: string): Html =>
  html`${text.split(/`([^`]+)`/).map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`;

/** Paragraphs, which an empty line parts. */
export const prose = (text: string | undefined): Html =>
  html`${(text ?? "")
    .split(/\n\s*\n/)
    .filter((paragraph) => paragraph.trim() !== "")
    .map((paragraph) => html`<p>${inline(paragraph.trim())}</p>\n`)}`;

/** A table that scrolls by itself where the window is narrow; without rows it is nothing. */
export const table = (
  label: string,
  columns: readonly string[],
  rows: readonly (readonly Content[])[],
): Html | undefined => {
  if (rows.length === 0) return undefined;
  const heads = columns.map((column) => html`<th scope="col">${column}</th>`);
  const body = rows.map(
    ([first, ...rest]) =>
      html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>\n`,
  );
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0"><table>
<thead><tr>${heads}</tr></thead>
<tbody>
${body}</tbody>
</table></div>
`;
};

export const codeBlock = (label: string, code: string): Html =>
  html`<pre role="region" aria-label="${label}" tabindex="0"><code>${code}</code></pre>\n`;

type AnchorKind = "tag" | "operation" | "schema" | "problem";

/** An element's id: one of its own for every name, whatever characters the name has. */
export const anchor = (kind: AnchorKind, name: string): string =>
  `${kind}-${name.replaceAll(/[^A-Za-z0-9_-]/gu, (each) => `~${each.codePointAt(0)?.toString(16)}.`)}`;

export const link = (kind: AnchorKind, name: string, content: Content): Html =>
  html`<a href="#${anchor(kind, name)}">${content}</a>`;
