/** The Worker bundle that `wrangler deploy` would upload. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "smol-toml";
import * as z from "zod/mini";
import { runProgram } from "./child-process.ts";
import { compileCache, projectFolder, stateDir } from "./state-dir.ts";

export interface EdgeBundle {
  /** The Worker's only module. */
  readonly path: string;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: string[];
}

const BUNDLE_TIMEOUT_MS = 60_000;

const wranglerConfig = z.object({
  compatibility_date: z.string(),
  compatibility_flags: z._default(z.array(z.string()), []),
});

/**
 * @param outFolder receives the bundle
 * @throws LocalError with wrangler's error
 */
export const bundleEdge = async (
  signal?: AbortSignal,
  outFolder: string = join(stateDir, "edge"),
): Promise<EdgeBundle> => {
  const wrangler = join(projectFolder, "node_modules/wrangler/bin/wrangler.js");
  await runProgram(
    {
      name: "wrangler, which bundles the edge,",
      command: process.execPath,
      args: [wrangler, "deploy", "--dry-run", "--env", "production", "--outdir", outFolder],
      cwd: projectFolder,
      env: {
        ...process.env,
        ...compileCache,
        WRANGLER_SEND_METRICS: "false",
        NO_COLOR: "1",
        CI: "1",
        WRANGLER_LOG_PATH: stateDir,
      },
    },
    { timeoutMs: BUNDLE_TIMEOUT_MS, signal },
  );
  const config = wranglerConfig.parse(parse(await readFile(join(projectFolder, "wrangler.toml"), "utf8")));
  return {
    path: join(outFolder, "worker.js"),
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
  };
};
