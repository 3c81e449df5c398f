/** `npm run edge-routes`: writes the edge's part of the contract for wrangler to bundle (`wrangler.toml`). */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { contract } from "../contract/contract.ts";
import { edgeRoutes } from "../contract/edge-manifest.ts";
import { projectFolder } from "./state-dir.ts";

const folder = join(projectFolder, "dist");
const path = join(folder, "edge-routes.json");

await mkdir(folder, { recursive: true });
// Parallel bundlers never read a partial file.
const partial = `${path}.${process.pid}`;
await writeFile(partial, JSON.stringify(edgeRoutes(contract)));
await rename(partial, path);
