/** `npm run edge-routes`: writes what the edge knows of the contract to where wrangler takes it from (`wrangler.toml`). */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { contract } from "../contract/contract.ts";
import { edgeRoutes } from "../contract/edge-manifest.ts";
import { projectFolder } from "./folder.ts";

const folder = join(projectFolder, "dist");
const path = join(folder, "edge-routes.json");

await mkdir(folder, { recursive: true });
// Several may bundle at the same time: each finds a whole file.
const partial = `${path}.${process.pid}`;
await writeFile(partial, JSON.stringify(edgeRoutes(contract)));
await rename(partial, path);
