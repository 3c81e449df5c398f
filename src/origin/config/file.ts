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
  /** Text, a list of texts, or another shape, which no key accepts. */
  readonly written: unknown;
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

/** A value that is not set: `key:`. */
const isEmpty = (written: unknown): boolean =>
  written === null || (typeof written === "string" && /^(~|null)?$/i.test(written));

export const shapeOf = (written: unknown): string => {
  if (Array.isArray(written)) return "a list";
  return isSection(written) ? "a section" : "text";
};

const knownKeys = allKeys.map(({ file }) => file);
const topNames = [...new Set(knownKeys.map((key) => key.replace(/\..*/, "")))].join(", ");

/** @returns a fault, or undefined for a known key */
const unknownKey = (key: string, source: string): string | undefined => {
  if (knownKeys.includes(key)) return undefined;
  if (!NAME.test(key)) return `${source} has a key that is not a name`;
  const section = key.replace(/\..*/, "");
  const siblings = knownKeys
    .filter((known) => known.startsWith(`${section}.`))
    .map((known) => known.slice(section.length + 1))
    .join(", ");
  if (siblings === "") return `${key} (${source}) is not known: the file has ${topNames}`;
  return key === section
    ? `${key} (${source}) must be a section with ${siblings}`
    : `${key} (${source}) is not known: ${section} has ${siblings}`;
};

/** Reads the two levels of the file. The values are checked later: the environment may replace them. */
export const parseFile = (file: ConfigurationFile): FileContents => {
  const unread = (...faults: readonly string[]): FileContents => ({ settings: undefined, faults });
  if ("unreadable" in file) return unread(`the configuration file ${file.path} ${file.unreadable}`);
  const fileName = basename(file.path);
  const lines = new LineCounter();
  const lineAt = (offset = 0): string => `${fileName}:${lines.linePos(offset).line}`;
  try {
    // Every scalar is the text that was written: a version `1.0` is not the number 1.
    const document = parseDocument(file.text, {
      schema: "failsafe",
      lineCounter: lines,
      prettyErrors: false,
      logLevel: "error",
    });
    const problems = [...document.errors, ...document.warnings];
    // The parser's messages quote the file, which may hold secrets: only their codes are reported.
    if (problems.length > 0)
      return unread(
        ...problems
          .slice(0, MAX_SYNTAX_FAULTS)
          .map(
            ({ code, pos }) =>
              `${lineAt(pos[0])} is not valid YAML: ${code.toLowerCase().replaceAll("_", " ")}`,
          ),
      );
    const root: unknown = document.toJS();
    if (!isEmpty(root) && !isSection(root)) return unread(`${fileName} must hold sections: ${topNames}`);
    const settings = new Map<string, Setting>();
    const add = (path: readonly string[], written: unknown): void => {
      if (isEmpty(written)) return;
      const node = document.getIn(path, true);
      const source = lineAt(isNode(node) ? node.range?.[0] : undefined);
      settings.set(path.join("."), { written, source });
    };
    for (const [name, content] of Object.entries(root ?? {})) {
      if (!isSection(content)) add([name], content);
      else for (const [key, written] of Object.entries(content)) add([name, key], written);
    }
    const faults = [...settings].map(([key, { source }]) => unknownKey(key, source));
    return { settings, faults: faults.filter((fault) => fault !== undefined) };
  } catch {
    return unread(`${fileName} is not valid YAML: an alias without an anchor, too many aliases, or too deep`);
  }
};
