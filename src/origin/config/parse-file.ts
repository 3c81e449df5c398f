/** The configuration file's text: what stands at which key, on which line, and what is wrong with it. */
import { basename } from "node:path";
import { isAlias, isMap, isScalar, LineCounter, parseDocument, visit, type YAMLMap } from "yaml";
import { allKeys } from "./configuration.ts";
import { topNames, unknownKey } from "./unknown-key.ts";
import { type Resolve, shapeOf, type Written, writtenAt } from "./written.ts";
import { yamlFaults } from "./yaml-faults.ts";

/** As read, or why it could not be. */
export type ConfigurationFile =
  | { readonly path: string; readonly text: string }
  | { readonly path: string; readonly unreadable: string };

export interface Setting {
  readonly written: Written;
  /** Such as `app.yaml:12`. */
  readonly source: string;
}

export interface FileContents {
  readonly settings: ReadonlyMap<string, Setting>;
  readonly faults: readonly string[];
  /** False where the file could not be read as a whole, and a key that is not there may stand in it. */
  readonly isWhole: boolean;
}

export const MAX_FILE_BYTES = 256 * 1024;
export const TOO_LARGE = "is larger than 256 KiB";
/** Each is looked for from the file's beginning. */
const MAX_ALIASES = 100;
/** What may be repeated in a message: anything else may be a secret that lost its key. */
const NAME = /^[\w.-]{1,40}$/;

const broken = (...faults: readonly string[]): FileContents => ({
  settings: new Map(),
  faults,
  isWhole: false,
});

interface Pair {
  readonly name: string;
  readonly line: number;
  readonly node: unknown;
}

/** Walks two levels, whatever the depth of what stands there. */
const walk = (
  root: YAMLMap,
  fileName: string,
  lineOf: (offset: number | undefined) => number,
  resolve: Resolve,
): FileContents => {
  const settings = new Map<string, Setting>();
  const faults: string[] = [];
  const known = new Set(allKeys.map(({ file }) => file));

  const pairsOf = (map: YAMLMap, prefix: string): readonly Pair[] => {
    const pairs = new Map<string, Pair>();
    for (const { key, value: node } of map.items) {
      const line = lineOf(isScalar(key) ? key.range?.[0] : map.range?.[0]);
      const name = isScalar(key) ? (key.source ?? String(key.value)) : "";
      const first = pairs.get(name);
      if (!NAME.test(name)) faults.push(`${fileName}:${line} has a key that is not a name`);
      else if (first === undefined) pairs.set(name, { name, line, node });
      else
        faults.push(
          `${prefix}${name} (${fileName}:${line}) is there twice: it must stand once, as on line ${first.line}`,
        );
    }
    return [...pairs.values()];
  };

  const set = (file: string, { line, node }: Pair): void => {
    const written = writtenAt(node, resolve);
    if (written !== undefined) settings.set(file, { written, source: `${fileName}:${line}` });
  };

  const section = (of: Pair): void => {
    const map = resolve(of.node);
    const written = writtenAt(map, resolve);
    if (isMap(map)) {
      for (const pair of pairsOf(map, `${of.name}.`)) {
        const file = `${of.name}.${pair.name}`;
        if (known.has(file)) set(file, pair);
        else faults.push(`${file} (${fileName}:${pair.line}) ${unknownKey(of.name, pair.name)}`);
      }
    } else if (written !== undefined) {
      const what = written.shape === "text" ? "text" : shapeOf(written);
      faults.push(`${of.name} (${fileName}:${of.line}) must be a section with keys, not ${what}`);
    }
  };

  for (const pair of pairsOf(root, "")) {
    if (!topNames.includes(pair.name))
      faults.push(`${pair.name} (${fileName}:${pair.line}) ${unknownKey(undefined, pair.name)}`);
    else if (known.has(pair.name)) set(pair.name, pair);
    else section(pair);
  }
  return { settings, faults, isWhole: true };
};

/** Reads the file's text; whether the values are right is not judged here. */
export const parseFile = (file: ConfigurationFile): FileContents => {
  if ("unreadable" in file) return broken(`the configuration file ${file.path} ${file.unreadable}`);
  if (Buffer.byteLength(file.text) > MAX_FILE_BYTES)
    return broken(`the configuration file ${file.path} ${TOO_LARGE}`);
  const fileName = basename(file.path);
  const lineCounter = new LineCounter();
  // Equal keys are found in `walk`, by name: the parser compares each with each.
  const document = parseDocument(file.text, { lineCounter, prettyErrors: false, uniqueKeys: false });
  const syntax = yamlFaults(document, lineCounter, fileName);
  if (syntax.length > 0) return broken(...syntax);
  let aliases = 0;
  visit(document, { Alias: () => void aliases++ });
  if (aliases > MAX_ALIASES)
    return broken(`${fileName} has ${aliases} aliases: it must have at most ${MAX_ALIASES}`);
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null))
    return { settings: new Map(), faults: [], isWhole: true };
  if (!isMap(contents))
    return broken(`${fileName} must hold sections such as ${topNames.slice(0, 3).join(", ")}`);
  return walk(
    contents,
    fileName,
    (offset) => lineCounter.linePos(offset ?? 0).line,
    (node) => (isAlias(node) ? (node.resolve(document) ?? node) : node),
  );
};
