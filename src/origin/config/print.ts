/** Prints the configuration in force, and the documentation's table of all keys. */
import { DEFAULT_FILE, FILE_VARIABLE } from "./file.ts";
import type { Entry } from "./read.ts";
import { allKeys, type Key } from "./schema.ts";

/** Columns of equal width: key, value, source. */
export const describeEntries = (entries: readonly Entry[]): string => {
  const rows = [{ key: "key", shown: "value", source: "from" }, ...entries];
  const keyWidth = Math.max(...rows.map(({ key }) => key.length));
  const valueWidth = Math.max(...rows.map(({ shown }) => shown.length));
  return rows
    .map(({ key, shown, source }) => `${key.padEnd(keyWidth)}  ${shown.padEnd(valueWidth)}  ${source}`)
    .join("\n");
};

const code = (text: string): string => `\`${text}\``;

const row = (...cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

const keyRow = ({ file, variables, meaning, expected, isSecret, isRequired, default: text }: Key): string =>
  row(
    code(file),
    variables.map(code).join(", else "),
    text === undefined ? (isRequired ? "required" : "none") : code(text),
    `${meaning} ${isSecret ? "Secret. " : ""}Must be ${expected}.`,
  );

export const describeKeys = (): string =>
  [
    row("In the file", "In the environment", "Default", "Meaning"),
    row("---", "---", "---", "---"),
    row("", code(FILE_VARIABLE), code(DEFAULT_FILE), "The file, which must exist only if it is named here."),
    ...allKeys.map(keyRow),
  ].join("\n");
