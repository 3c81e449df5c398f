/**
 * `npx node container/observability/write.ts` generates the dashboards, and the operator's copies of the rules, in k8s/,
 * where kustomize can read them. A test fails if they are outdated.
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
// The lint step checks the format of these files, too.
execFileSync(
  join(projectFolder, "node_modules/.bin/biome"),
  ["format", "--write", join(projectFolder, "k8s/components/dashboards")],
  { stdio: "inherit", timeout: 60_000 },
);
