/**
 * `npx node container/observability/write.ts` writes the dashboards, and the operator's copies of the rules, into k8s/,
 * where kustomize has to find them. A test says where they are not what this would write.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { generatedFiles } from "./generated.ts";

const projectFolder = join(import.meta.dirname, "../..");

for (const [path, text] of Object.entries(generatedFiles())) {
  const file = join(projectFolder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
// As everything else is formatted.
execFileSync(
  join(projectFolder, "node_modules/.bin/biome"),
  ["format", "--write", join(projectFolder, "k8s/components/dashboards")],
  { stdio: "inherit", timeout: 60_000 },
);
