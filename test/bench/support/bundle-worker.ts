/** Bundles a Worker that is not the product with esbuild, under the conditions that wrangler uses. */
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

/** The Worker's one module. */
export const bundleWorker = async (options: BuildOptions): Promise<string> => {
  const { outputFiles } = await build({ ...COMMON, ...options, write: false });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("esbuild produced no output");
  return file.text;
};
