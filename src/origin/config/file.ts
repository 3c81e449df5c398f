/** The configuration file: its text from the disk, and the settings and faults in it. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { isNode, LineCounter, parseDocument } from "yaml";
import { allKeys } from "./schema.ts";

/** As read, or why it could not be. */
export type ConfigurationFile =
  | { readonly path: string; readonly text: string }
  | { readonly path: string; readonly unreadable: string };

export interface Setting {
  /** A list as text with commas. */
  readonly text: string;
  /** A variable's name, or a place such as `app.yaml:12`. */
  readonly source: string;
}

export interface FileContents {
  /** By key, such as `server.port`; undefined if the file as a whole could not be read. */
  readonly settings: ReadonlyMap<string, Setting> | undefined;
  readonly faults: readonly string[];
}

/** The variable that names another file. */
export const FILE_VARIABLE = "CONFIG_FILE";
/** The file unless `CONFIG_FILE` names another; it may be absent. */
export const DEFAULT_FILE = "/app/config/app.yaml";

const MAX_SYNTAX_FAULTS = 10;
/** Only such keys appear in messages: anything else may be a misplaced secret. */
const NAME = /^[\w.-]{1,80}$/;

/** @returns undefined if `CONFIG_FILE` is not set and there is no file at the default path */
export const readConfigurationFile = async (
  environment: Readonly<Record<string, unknown>>,
  defaultPath = DEFAULT_FILE,
): Promise<ConfigurationFile | undefined> => {
  const variable = environment[FILE_VARIABLE];
  const named = typeof variable === "string" ? variable.trim() : "";
  const path = named || defaultPath;
  try {
    return { path, text: await readFile(path, "utf8") };
  } catch (error) {
    if (!named && error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    const reason = `cannot be read: ${error instanceof Error ? error.message : error}`;
    return { path, unreadable: named ? `(named by ${FILE_VARIABLE}) ${reason}` : reason };
  }
};

const isSection = (written: unknown): written is object =>
  typeof written === "object" && written !== null && !Array.isArray(written);

/** @returns "" for a value that is not set (`key:`), undefined for a section or a nested list */
const textOf = (written: unknown): string | undefined => {
  const parts: unknown[] = Array.isArray(written) ? written : [written ?? ""];
  if (!parts.every((part) => typeof part === "string")) return undefined;
  return parts
    .join(",")
    .trim()
    .replace(/^(~|null)$/i, "");
};

const knownKeys = allKeys.map(({ file }) => file);
const topNames = [...new Set(knownKeys.map((key) => key.replace(/\..*/, "")))].join(", ");

const unknownKey = (key: string, source: string): string => {
  if (!NAME.test(key)) return `${source} has a key that is not a name`;
  const section = key.replace(/\..*/, "");
  const siblings = knownKeys.filter((known) => known.startsWith(`${section}.`));
  const names = siblings.map((known) => known.slice(section.length + 1)).join(", ");
  const choice = siblings.length === 0 ? `the file has ${topNames}` : `${section} has ${names}`;
  return `${key} (${source}) is not known: ${choice}`;
};

/** Reads the two levels of the file. The values are checked later: the environment may replace them. */
export const parseFile = (file: ConfigurationFile): FileContents => {
  const unread = (...faults: readonly string[]): FileContents => ({ settings: undefined, faults });
  if ("unreadable" in file) return unread(`the configuration file ${file.path} ${file.unreadable}`);
  const fileName = basename(file.path);
  const lineCounter = new LineCounter();
  const lineAt = (offset = 0): string => `${fileName}:${lineCounter.linePos(offset).line}`;
  try {
    // Every scalar stays the text that was written: a version `1.0` is not the number 1.
    const options = { schema: "failsafe", lineCounter, prettyErrors: false, logLevel: "error" } as const;
    const document = parseDocument(file.text, options);
    const problems = [...document.errors, ...document.warnings].slice(0, MAX_SYNTAX_FAULTS);
    // The parser's messages quote the file, which may hold secrets: only their codes are reported.
    const syntaxFaults = problems.map(({ code, pos: [offset] }) => {
      const reason = code.toLowerCase().replaceAll("_", " ");
      return `${lineAt(offset)} is not valid YAML: ${reason}`;
    });
    if (syntaxFaults.length > 0) return unread(...syntaxFaults);
    const root: unknown = document.toJS() ?? {};
    if (!isSection(root)) return unread(`${fileName} must hold sections: ${topNames}`);
    const settings = new Map<string, Setting>();
    const faults: string[] = [];
    const add = (path: readonly string[], written: unknown): void => {
      const text = textOf(written);
      if (text === "") return;
      const key = path.join(".");
      const node = document.getIn(path, true);
      const source = lineAt(isNode(node) ? node.range?.[0] : undefined);
      if (!knownKeys.includes(key)) faults.push(unknownKey(key, source));
      else if (text === undefined) faults.push(`${key} (${source}) must be text, or a list of texts`);
      else settings.set(key, { text, source });
    };
    for (const [name, content] of Object.entries(root)) {
      if (!isSection(content)) add([name], content);
      else for (const [key, written] of Object.entries(content)) add([name, key], written);
    }
    return { settings, faults };
  } catch {
    return unread(`${fileName} is not valid YAML: an alias without an anchor, too many aliases, or too deep`);
  }
};
