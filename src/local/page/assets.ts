/** The files of the page, which the browser needs from no other host. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export interface Asset {
  readonly body: string;
  /** For `Content-Type`. */
  readonly type: string;
}

const pathOf = (name: string): string => fileURLToPath(new URL(`client/${name}`, import.meta.url));

/** Some 30 ms: an edit of the page shows with a reload. */
const bundled = async (entry: string): Promise<string> => {
  const { outputFiles } = await build({
    entryPoints: [pathOf(entry)],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
};

const assets: Readonly<Record<string, () => Promise<Asset>>> = {
  "index.html": async () => ({
    body: await readFile(pathOf("index.html"), "utf8"),
    type: "text/html; charset=utf-8",
  }),
  "main.js": async () => ({ body: await bundled("main.tsx"), type: "text/javascript; charset=utf-8" }),
  "main.css": async () => ({ body: await bundled("main.css"), type: "text/css; charset=utf-8" }),
};

/**
 * @param name index.html, main.js or main.css; others are undefined
 * @throws esbuild's error if a source is wrong
 */
export const readAsset = async (name: string): Promise<Asset | undefined> =>
  Object.hasOwn(assets, name) ? await assets[name]?.() : undefined;
