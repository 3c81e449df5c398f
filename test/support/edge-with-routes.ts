/** The Worker with another API than the shop. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import type { EdgeRoutes } from "../../src/contract/edge-manifest.ts";
import type { EdgeBundle } from "../../src/local/edge.ts";
import { projectFolder } from "../../src/local/state-dir.ts";

export interface EdgeWithRoutesOptions {
  readonly routes: EdgeRoutes;
  /** Receives the bundle. */
  readonly folder: string;
  /** @default this project */
  readonly project?: string;
}

export const bundleEdgeWithRoutes = async ({
  routes,
  folder,
  project = projectFolder,
}: EdgeWithRoutesOptions): Promise<EdgeBundle> => {
  const manifest = join(folder, "edge-routes.json");
  await writeFile(manifest, JSON.stringify(routes));
  const path = join(folder, "worker.js");
  await build({
    entryPoints: [join(project, "src/edge/worker.ts")],
    alias: { "#edge-routes": manifest },
    outfile: path,
    bundle: true,
    format: "esm",
    conditions: ["workerd", "worker", "browser", "module"],
    external: ["node:*", "cloudflare:*"],
    logLevel: "silent",
  });
  return {
    path,
    compatibilityDate: "2026-07-22",
    compatibilityFlags: ["enable_request_signal", "nodejs_compat", "no_nodejs_global_timers"],
  };
};
