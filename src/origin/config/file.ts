/** The configuration file: its text from the disk, and the settings and faults in it. */
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { buffer } from "node:stream/consumers";
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type YAMLMap } from "yaml";
import { allKeys } from "./schema.ts";
import { sectionNames, unknownKey } from "./unknown-key.ts";

/** As read, or why it could not be. */
export type ConfigurationFile =
  | { readonly path: string; readonly text: string }
  | { readonly path: string; readonly unreadable: string };

/** A scalar as it was written, the texts of a list of scalars, or the name of a shape that no key accepts. */
export type Written = string | readonly string[] | { readonly shape: string };

export interface Setting {
  readonly written: Written;
  /** A variable's name, or a place such as `app.yaml:12`. */
  readonly source: string;
}

export interface FileContents {
  /** By key, such as `server.port`. */
  readonly settings: ReadonlyMap<string, Setting>;
  readonly faults: readonly string[];
  /** False if the file could be read only in part, so that a missing key may be in the rest. */
  readonly isWhole: boolean;
}

/** The variable that names another file. */
export const FILE_VARIABLE = "CONFIG_FILE";
/** The file unless `CONFIG_FILE` names another; it may be absent. */
export const DEFAULT_FILE = "/app/config/app.yaml";

const MAX_FILE_BYTES = 256 * 1024;
const TOO_LARGE = "is larger than 256 KiB";
/** Resolving an alias searches the file from its beginning. */
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

type Resolve = (node: unknown) => unknown;

/** `8080` and `"8080"` are the same text. An empty value (`key:`) counts as not set: undefined. */
const writtenAt = (node: unknown, resolve: Resolve): Written | undefined => {
  const value = resolve(node);
  if (isScalar(value)) {
    if (value.value === null) return undefined;
    return typeof value.value === "string" ? value.value.trim() : (value.source ?? String(value.value));
  }
  if (isMap(value)) return { shape: "a section" };
  if (!isSeq(value)) return value === null ? undefined : { shape: "an alias of a missing anchor" };
  if (value.items.length === 0) return { shape: "an empty list" };
  const texts = value.items
    .map((item) => writtenAt(item, resolve))
    .filter((text) => typeof text === "string");
  return texts.length === value.items.length ? texts : { shape: "a list of other things" };
};

export const shapeOf = (written: Written): string =>
  typeof written === "string" ? "text" : "shape" in written ? written.shape : "a list";

const partial = (...faults: readonly string[]): FileContents => ({
  settings: new Map(),
  faults,
  isWhole: false,
});

/** Reads the two levels of the file. The values are checked later: the environment may replace them. */
const contentsOf = (
  root: YAMLMap,
  placeOf: (offset: number | undefined) => string,
  resolve: Resolve,
): FileContents => {
  const settings = new Map<string, Setting>();
  const faults: string[] = [];
  const known = new Set(allKeys.map(({ file }) => file));

  const read = (map: YAMLMap, section?: string): void => {
    const places = new Map<string, string>();
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? (key.source ?? String(key.value)) : "";
      const file = section === undefined ? name : `${section}.${name}`;
      const source = placeOf(isScalar(key) ? key.range?.[0] : map.range?.[0]);
      const first = places.get(name);
      places.set(name, first ?? source);
      const written = writtenAt(value, resolve);
      const content = resolve(value);
      if (!NAME.test(name)) faults.push(`${source} has a key that is not a name`);
      else if (first !== undefined) faults.push(`${file} (${source}) is already set (${first})`);
      else if (section === undefined ? !sectionNames.includes(name) : !known.has(file))
        faults.push(`${file} (${source}) ${unknownKey(section, name)}`);
      else if (written === undefined) continue;
      else if (known.has(file)) settings.set(file, { written, source });
      else if (isMap(content)) read(content, name);
      else faults.push(`${file} (${source}) must be a section with keys, not ${shapeOf(written)}`);
    }
  };

  read(root);
  return { settings, faults, isWhole: true };
};

export const parseFile = (file: ConfigurationFile): FileContents => {
  if ("unreadable" in file) return partial(`the configuration file ${file.path} ${file.unreadable}`);
  if (Buffer.byteLength(file.text) > MAX_FILE_BYTES)
    return partial(`the configuration file ${file.path} ${TOO_LARGE}`);
  const fileName = basename(file.path);
  const lines = new LineCounter();
  const placeOf = (offset = 0): string => `${fileName}:${lines.linePos(offset).line}`;
  // The parser finds duplicate keys in quadratic time.
  const document = parseDocument(file.text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
  });
  // The parser's messages quote the file, which may hold secrets: only their codes are reported, one for a line.
  const syntax = new Map<string, string>();
  for (const { code, pos } of [...document.errors, ...document.warnings]) {
    const place = placeOf(pos[0]);
    if (!syntax.has(place)) syntax.set(place, code.toLowerCase().replaceAll("_", " "));
  }
  if (syntax.size > 0)
    return partial(
      ...[...syntax]
        .slice(0, MAX_SYNTAX_FAULTS)
        .map(([place, what]) => `${place} is not valid YAML: ${what}`),
    );
  let aliases = 0;
  visit(document, { Alias: () => void aliases++ });
  if (aliases > MAX_ALIASES)
    return partial(`${fileName} has ${aliases} aliases: it must have at most ${MAX_ALIASES}`);
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null))
    return { settings: new Map(), faults: [], isWhole: true };
  if (!isMap(contents))
    return partial(`${fileName} must hold sections such as ${sectionNames.slice(0, 3).join(", ")}`);
  return contentsOf(contents, placeOf, (node) => (isAlias(node) ? node.resolve(document) : node));
};
