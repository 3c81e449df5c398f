/** Scripts of Workers that are not the product. */
import { type BuildOptions, build } from "esbuild";
import { projectFolder } from "../../../src/local/state-dir.ts";

const COMMON = {
  absWorkingDir: projectFolder,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2024",
  conditions: ["workerd", "worker", "browser", "module"],
  external: ["node:*", "cloudflare:*"],
} as const satisfies BuildOptions;

/** Bundles a Worker under the conditions that wrangler uses. @returns its one module */
export const bundleWorker = async (options: BuildOptions): Promise<string> => {
  const { outputFiles } = await build({ ...COMMON, ...options, write: false });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("esbuild produced no output");
  return file.text;
};

/** A constant `handler` that forwards each request and does nothing else. @param first statements that run before */
export const bareHandler = (originUrl: string, first = ""): string => `
const origin = ${JSON.stringify(originUrl)};
const names = ["accept", "accept-language", "user-agent"];
const handler = {
  fetch(request) {
    ${first}
    const { pathname, search } = new URL(request.url);
    const headers = {};
    for (const name of names) headers[name] = request.headers.get(name) ?? "";
    return fetch(origin + pathname + search, { method: request.method, headers, redirect: "manual" });
  },
};
`;

export const bareWorker = (originUrl: string): string => `${bareHandler(originUrl)}export default handler;`;
