/** Renders a kustomization with `kubectl kustomize`, with added components. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { isToolRequired } from "../../support/required-tools.ts";
import type { Combination } from "./combinations.ts";
import { type KubernetesObject, parseManifests } from "./manifests.ts";

export const k8sFolder = join(projectFolder, "k8s");

export const hasKubectl = spawnSync("kubectl", ["version", "--client"], { timeout: 30_000 }).status === 0;

export const isRequired = isToolRequired("kubectl");

export interface Rendering {
  readonly yaml: string;
  readonly warnings: string;
}

/** @throws Error with kubectl's message */
export const render = (folder: string): Rendering => {
  const { status, stdout, stderr, error } = spawnSync("kubectl", ["kustomize", folder], {
    encoding: "utf8",
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`kubectl kustomize: ${stderr}`);
  return { yaml: stdout, warnings: stderr };
};

/** Calls `use` with a temporary copy of k8s/. */
export const withCopy = <T>(use: (copy: string) => T): T => {
  const folder = mkdtempSync(join(tmpdir(), "k8s-"));
  try {
    const copy = join(folder, "k8s");
    cpSync(k8sFolder, copy, { recursive: true });
    return use(copy);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const uncomment = (text: string, line: string): string => {
  if (!text.includes(`\n#${line}\n`)) throw new Error(`there is no comment #${line}`);
  return text.replace(`\n#${line}\n`, `\n${line}\n`);
};

/** Like a user: uncomments lines in k8s/, and adds them to an overlay. */
const addComponents = (copy: string, { base, components }: Combination): void => {
  if (components.length === 0) return;
  const path = join(copy, base, "kustomization.yaml");
  const text = readFileSync(path, "utf8");
  if (base === ".") {
    const lines = ["components:", ...components.map((name) => `  - components/${name}`)];
    writeFileSync(path, lines.reduce(uncomment, text));
    return;
  }
  const kustomization = parseDocument(text);
  for (const name of components) kustomization.addIn(["components"], `../../components/${name}`);
  writeFileSync(path, String(kustomization));
};

export const renderCombination = (combination: Combination): Rendering =>
  withCopy((copy) => {
    addComponents(copy, combination);
    return render(join(copy, combination.base));
  });

export const renderObjects = (combination: Combination): KubernetesObject[] =>
  parseManifests(renderCombination(combination).yaml);
