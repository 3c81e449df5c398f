/** `npm run edge-routes`: writes the edge's part of the contract for wrangler to bundle (`#edge-routes`). */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { contract } from "../contract/contract.ts";
import { edgeRoutes } from "../contract/edge-manifest.ts";

const path = fileURLToPath(import.meta.resolve("#edge-routes"));

await mkdir(dirname(path), { recursive: true });
// Parallel bundlers never read a partial file.
const partial = `${path}.${process.pid}`;
await writeFile(partial, JSON.stringify(edgeRoutes(contract)));
await rename(partial, path);
