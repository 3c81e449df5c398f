/** Makes the bundle that `wrangler deploy` would upload. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "smol-toml";
import { spawnChild } from "./child.ts";
import { compileCache } from "./compile-cache.ts";
import { localFolder, projectFolder } from "./folder.ts";
import { LocalError } from "./local-error.ts";

export interface EdgeBundle {
  /** The one module of the worker. */
  readonly path: string;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: string[];
}

const BUNDLE_TIMEOUT_MS = 60_000;

const readCompatibility = async (): Promise<Omit<EdgeBundle, "path">> => {
  const config = parse(await readFile(join(projectFolder, "wrangler.toml"), "utf8"));
  const { compatibility_date: date, compatibility_flags: flags } = config;
  if (typeof date !== "string") throw new LocalError("wrangler.toml names no compatibility_date");
  return {
    compatibilityDate: date,
    compatibilityFlags: Array.isArray(flags) ? flags.filter((flag) => typeof flag === "string") : [],
  };
};

/**
 * @param outFolder where the bundle goes
 * @throws LocalError with wrangler's own complaint
 */
export const bundleEdge = async (
  signal?: AbortSignal,
  outFolder: string = join(localFolder, "edge"),
): Promise<EdgeBundle> => {
  const wrangler = join(projectFolder, "node_modules/wrangler/bin/wrangler.js");
  const child = spawnChild({
    name: "wrangler",
    command: process.execPath,
    args: [wrangler, "deploy", "--dry-run", "--env", "production", "--outdir", outFolder],
    cwd: projectFolder,
    env: {
      ...process.env,
      ...compileCache,
      WRANGLER_SEND_METRICS: "false",
      NO_COLOR: "1",
      CI: "1",
      WRANGLER_LOG_PATH: localFolder,
    },
  });
  const stop = (): void => void child.stop({ timeoutMs: 1_000 });
  signal?.addEventListener("abort", stop);
  try {
    const inTime = await child.exitsWithin(BUNDLE_TIMEOUT_MS);
    if (!inTime) await child.stop({ timeoutMs: 1_000 });
    signal?.throwIfAborted();
    if ((await child.exited).code !== 0) {
      const complaint =
        child.tail().find((line) => /error/i.test(line)) ?? child.tail().at(-1) ?? "no reason given";
      throw new LocalError(`the edge could not be bundled: ${complaint.trim()}`);
    }
  } finally {
    signal?.removeEventListener("abort", stop);
  }
  return { path: join(outFolder, "worker.js"), ...(await readCompatibility()) };
};
