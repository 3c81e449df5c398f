/** The configuration for people: what is in force, and which keys there are. */
import { allKeys } from "./configuration.ts";
import type { Key } from "./key.ts";
import type { Entry } from "./read.ts";
import { DEFAULT_FILE, FILE_VARIABLE } from "./read-file.ts";

/** Columns of equal width: key, value, where it comes from. */
export const describeEntries = (entries: readonly Entry[]): string => {
  const rows = [
    ["key", "value", "from"] as const,
    ...entries.map(({ key, shown, source }) => [key, shown, source] as const),
  ];
  const width = (column: 0 | 1): number => Math.max(...rows.map((row) => row[column].length));
  const [keyWidth, valueWidth] = [width(0), width(1)];
  return rows
    .map(([key, shown, source]) => `${key.padEnd(keyWidth)}  ${shown.padEnd(valueWidth)}  ${source}`)
    .join("\n");
};

const code = (text: string): string => `\`${text}\``;

const row = (...cells: readonly string[]): string => `| ${cells.join(" | ").replaceAll("\n", " ")} |`;

const keyRow = (key: Key<unknown>): string =>
  row(
    code(key.file),
    [key.variable, key.alsoVariable ?? []].flat().map(code).join(", else "),
    key.default === undefined ? (key.isRequired ? "required" : "none") : code(key.default),
    `${key.meaning} ${key.isSecret ? "Secret. " : ""}Must be ${key.expected}.`,
  );

/** The table of all keys, for the documentation. */
export const describeKeys = (): string =>
  [
    row("In the file", "In the environment", "Default", "Meaning"),
    row("---", "---", "---", "---"),
    row("", code(FILE_VARIABLE), code(DEFAULT_FILE), "The file, which need not be there unless it is named."),
    ...allKeys.map(keyRow),
  ].join("\n");
