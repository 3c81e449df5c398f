/** The files of the page: its own modules, without their types, and those of its packages, under fixed names. */
import { readFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";

export interface Asset {
  readonly body: string;
  readonly type: string;
}

const CLIENT = new URL("client/", import.meta.url);
/** By the name under which modules import them. */
const PACKAGES = ["preact", "preact/hooks", "htm", "htm/preact", "uplot"] as const;
/** By the name under which the page links them. */
const STYLES = new Map([["uplot.css", "uplot/dist/uPlot.min.css"]]);
const JAVASCRIPT = "text/javascript; charset=utf-8";
const CSS = "text/css; charset=utf-8";

/** Under which name the browser gets a package's module. */
const fileOf = (name: string): string => `${name.replace("/", "-")}.js`;

/** Browsers resolve no bare names, and an import map would be an inline script. */
const withPaths = (source: string): string =>
  PACKAGES.reduce(
    (text, name) =>
      text.replaceAll(
        new RegExp(`\\b(from|import)(\\s*)(["'])${name}\\3`, "g"),
        `$1$2$3/page/${fileOf(name)}$3`,
      ),
    source,
  ).replaceAll(/\b(from\s*"\.\/[\w-]+)\.ts"/g, '$1.js"');

/** Node announces that stripping may change; types are erased as in every other file of the project. */
const stripped = (source: string): string => {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
};

/** Undefined if the package is not installed. */
const resolve = (name: string): string | undefined => {
  try {
    return import.meta.resolve(name);
  } catch {
    return undefined;
  }
};

const read = async (url: string | URL | undefined): Promise<string | undefined> =>
  url === undefined ? undefined : await readFile(fileURLToPath(url), "utf8").catch(() => undefined);

const load = async (name: string): Promise<Asset | undefined> => {
  const style = STYLES.get(name);
  const packaged = PACKAGES.find((each) => fileOf(each) === name) ?? style;
  if (packaged !== undefined) {
    const source = await read(resolve(packaged));
    if (source === undefined) return undefined;
    return style === undefined ? { body: withPaths(source), type: JAVASCRIPT } : { body: source, type: CSS };
  }
  if (name.endsWith(".css") || name.endsWith(".html")) {
    const body = await read(new URL(name, CLIENT));
    const type = name.endsWith(".css") ? CSS : "text/html; charset=utf-8";
    return body === undefined ? undefined : { body, type };
  }
  const source = await read(new URL(name.replace(/\.js$/, ".ts"), CLIENT));
  return source === undefined ? undefined : { body: withPaths(stripped(source)), type: JAVASCRIPT };
};

/** @param name such as "main.js", for the module `client/main.ts`; no path */
export const readAsset = async (name: string): Promise<Asset | undefined> =>
  /^[\w-]+\.(?:js|css|html)$/.test(name) ? await load(name) : undefined;
