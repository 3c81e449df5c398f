/** The names in a PromQL expression; promtool checks its syntax. */

const KEYWORDS = new Set(["and", "or", "unless", "bool", "offset", "inf", "nan", "start", "end", "atan2"]);

const STRING = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g;
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/gi;

const withoutComments = (expr: string): string => expr.replaceAll(/#.*$/gm, " ");

/** A metric's name; a name before a parenthesis is a function's. */
const NAME = /(?<![\w:.$])[a-zA-Z_:][\w:]*(?![\w:]*\s*\()/g;

/** The names in matchers such as `__name__="a"` and `__name__=~"a|b"`. */
const namesInMatchers = (expr: string): string[] =>
  [...expr.matchAll(/__name__\s*=~?\s*"([\w:|]*)"/g)].flatMap(([, names = ""]) => names.split("|"));

/** The metrics' names, in order and without duplicates. */
export const metricNamesIn = (expr: string): string[] => {
  const text = withoutComments(expr);
  const bare = text
    .replaceAll(STRING, " ")
    .replaceAll(/\{[^}]*\}/g, " ")
    .replaceAll(/\[[^\]]*\]/g, " ")
    .replaceAll(GROUPING, " ");
  const names = [...bare.matchAll(NAME)]
    .map(([name]) => name)
    .filter((name) => !KEYWORDS.has(name.toLowerCase()) && !/^(by|without|on|ignoring)$/i.test(name));
  return [...new Set([...names, ...namesInMatchers(text)])];
};

export interface Matcher {
  readonly label: string;
  readonly operator: "=" | "!=" | "=~" | "!~";
  readonly value: string;
}

/** In order. */
export const matchersIn = (expr: string): Matcher[] =>
  [...withoutComments(expr).matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g)].flatMap(
    ([, label = "", operator, value = ""]) =>
      operator === "=" || operator === "!=" || operator === "=~" || operator === "!~"
        ? [{ label, operator, value }]
        : [],
  );

/** The names of labels in matchers and groupings, without duplicates. */
export const labelNamesIn = (expr: string): string[] => {
  const text = withoutComments(expr).replaceAll(STRING, '""');
  const matched = [...text.matchAll(/\{([^}]*)\}/g)].flatMap(([, matchers = ""]) =>
    [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = ""]) => label),
  );
  const grouped = [...text.matchAll(GROUPING)].flatMap(([, labels = ""]) =>
    labels.split(",").map((label) => label.trim()),
  );
  return [...new Set([...matched, ...grouped])].filter((label) => label !== "" && label !== "__name__");
};
