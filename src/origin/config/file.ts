/** The configuration file: its text from the disk, and the settings and faults in it. */
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { buffer } from "node:stream/consumers";
import { isMap, isScalar, LineCounter, parseDocument } from "yaml";
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

const MAX_FILE_BYTES = 256 * 1024;
const TOO_LARGE = "is larger than 256 KiB";
const MAX_ALIASES = 100;
const MAX_SYNTAX_FAULTS = 10;
/** Only such keys appear in messages: anything else may be a misplaced secret. */
const NAME = /^[\w.-]{1,40}$/;

/** @returns undefined if `CONFIG_FILE` is not set and there is no file at the default path */
export const readConfigurationFile = async (
  environment: Readonly<Record<string, unknown>>,
  defaultPath = DEFAULT_FILE,
): Promise<ConfigurationFile | undefined> => {
  const variable = environment[FILE_VARIABLE];
  const named = typeof variable === "string" ? variable.trim() : "";
  const path = named || defaultPath;
  const unreadable = (why: string): ConfigurationFile => ({
    path,
    unreadable: named ? `(named by ${FILE_VARIABLE}) ${why}` : why,
  });
  try {
    // One byte above the limit shows that the file is larger.
    const bytes = await buffer(createReadStream(path, { end: MAX_FILE_BYTES }));
    if (bytes.byteLength > MAX_FILE_BYTES) return unreadable(TOO_LARGE);
    return { path, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    const isMissing = error instanceof Error && /^(ENOENT|ENOTDIR)\b/.test(error.message);
    return isMissing && !named
      ? undefined
      : unreadable(`cannot be read: ${error instanceof Error ? error.message : error}`);
  }
};

const unread = (...faults: readonly string[]): FileContents => ({ settings: undefined, faults });

/** A value that is not set: `key:`. */
const isEmpty = (written: unknown): boolean =>
  written === null || (typeof written === "string" && /^(~|null)?$/i.test(written));

const isSection = (written: unknown): written is object =>
  typeof written === "object" && written !== null && !Array.isArray(written);

export const shapeOf = (written: unknown): string => {
  if (Array.isArray(written)) return "a list";
  return isSection(written) ? "a section" : "text";
};

const knownKeys = new Set(allKeys.map(({ file }) => file));
/** The sections, and the keys at the top of the file. */
const topNames = [...new Set(allKeys.map(({ file }) => file.replace(/\..*/, "")))];

/** Reads the two levels of the file. The values are checked later: the environment may replace them. */
const contentsOf = (root: object, node: unknown, lineAt: (offset?: number) => string): FileContents => {
  const settings = new Map<string, Setting>();
  const faults: string[] = [];
  const read = (content: object, map: unknown, section?: string): void => {
    const names = section === undefined ? topNames : namesIn(section);
    const pairs = isMap(map) ? map.items : [];
    const keys = new Map(
      pairs.map(({ key }) => [isScalar(key) && key.value, isScalar(key) && key.range?.[0]]),
    );
    for (const [name, written] of Object.entries(content)) {
      const key = section === undefined ? name : `${section}.${name}`;
      const source = lineAt(keys.get(name) || undefined);
      if (!NAME.test(name)) faults.push(`${source} has a key that is not a name`);
      else if (!names.includes(name))
        faults.push(`${key} (${source}) is not known: ${section ?? "the file"} has ${names.join(", ")}`);
      else if (isEmpty(written)) continue;
      else if (knownKeys.has(key)) settings.set(key, { written, source });
      else if (isSection(written)) read(written, isMap(map) ? map.get(name, true) : undefined, name);
      else faults.push(`${key} (${source}) must be a section with keys, not ${shapeOf(written)}`);
    }
  };
  read(root, node);
  return { settings, faults };
};

const namesIn = (section: string): string[] =>
  [...knownKeys].filter((key) => key.startsWith(`${section}.`)).map((key) => key.slice(section.length + 1));

export const parseFile = (file: ConfigurationFile): FileContents => {
  if ("unreadable" in file) return unread(`the configuration file ${file.path} ${file.unreadable}`);
  if (Buffer.byteLength(file.text) > MAX_FILE_BYTES)
    return unread(`the configuration file ${file.path} ${TOO_LARGE}`);
  const fileName = basename(file.path);
  const lines = new LineCounter();
  const lineAt = (offset = 0): string => `${fileName}:${lines.linePos(offset).line}`;
  // Every scalar is the text that was written: a version `1.0` is not the number 1.
  const document = parseDocument(file.text, {
    schema: "failsafe",
    lineCounter: lines,
    prettyErrors: false,
    logLevel: "error",
  });
  // The parser's messages quote the file, which may hold secrets: only their codes are reported, one for a line.
  const syntax = new Map(
    [...document.errors, ...document.warnings].map(({ code, pos }) => [lineAt(pos[0]), code] as const),
  );
  if (syntax.size > 0)
    return unread(
      ...[...syntax]
        .slice(0, MAX_SYNTAX_FAULTS)
        .map(([place, code]) => `${place} is not valid YAML: ${code.toLowerCase().replaceAll("_", " ")}`),
    );
  let root: unknown;
  try {
    root = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch {
    return unread(`${fileName} has an alias without an anchor, or too many aliases`);
  }
  if (isEmpty(root)) return { settings: new Map(), faults: [] };
  if (!isSection(root))
    return unread(`${fileName} must hold sections such as ${topNames.slice(0, 3).join(", ")}`);
  return contentsOf(root, document.contents, lineAt);
};
