/** HTML that cannot be written unescaped: every value in an `html` template is escaped, except another `Html`. */

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

/** A table that scrolls on its own in a narrow window. Undefined without rows. */
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
