/**
 * Unknown fields. Kubernetes' own validation would warn or drop them, and the generated validators accept them. The compiler
 * rejects them, because an object literal may only have the fields of its type.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { MODELS, typeModule } from "./kinds.ts";
import { type KubernetesObject, titleOf } from "./manifests.ts";

const COMPILER = join(projectFolder, "node_modules/typescript/bin/tsc");
const OPTIONS = ["--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext"];
const FILE = "objects.ts";

/** Faults by object, because most objects are the same in most combinations. */
const checked = new Map<string, string[]>();
const MAX_CHECKED = 5_000;

const isKnown = ({ apiVersion, kind }: KubernetesObject): boolean =>
  MODELS.some((model) => model.apiVersion === apiVersion && model.kind === kind);

/** One line per type, then one per object. */
const sourceOf = (objects: readonly KubernetesObject[]): { text: string; firstLine: number } => {
  const modules = new Map(objects.map(({ apiVersion, kind }) => [typeModule(apiVersion, kind), kind]));
  const types = [...modules.keys()];
  const imports = [...modules].map(
    ([module, kind], index) => `import type { I${kind} as T${index} } from "${module}";`,
  );
  const calls = objects.map(
    (object) =>
      `({} as (_: T${types.indexOf(typeModule(object.apiVersion, object.kind))}) => void)(${JSON.stringify(object)});`,
  );
  return { text: [...imports, ...calls].join("\n"), firstLine: imports.length + 1 };
};

const compile = (text: string): string => {
  // In the project, so that the packages are found.
  const parent = join(projectFolder, ".tsc");
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "fields-"));
  try {
    writeFileSync(join(folder, FILE), text);
    const { stdout, stderr, status, error } = spawnSync(
      process.execPath,
      [COMPILER, ...OPTIONS, join(folder, FILE)],
      { encoding: "utf8", timeout: 60_000 },
    );
    if (error !== undefined) throw error;
    // 1 and 2 are for type errors; other statuses mean that the compiler failed.
    const isDone = status === 0 || ((status === 1 || status === 2) && stdout !== "");
    if (!isDone) throw new Error(`the compiler ended with ${status}: ${stderr}`);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const check = (objects: readonly KubernetesObject[]): void => {
  const faults = objects.map((): string[] => []);
  const { text, firstLine } = sourceOf(objects);
  // Indented lines continue an error.
  for (const line of compile(text)
    .split("\n")
    .filter((each) => /^\S/.test(each))) {
    const [, at, message = ""] = /objects\.ts\((\d+),\d+\): error (.*)/.exec(line) ?? [];
    const index = Number(at) - firstLine;
    const object = objects[index];
    // A missing module or a wrong option is no fault of the manifest.
    if (object === undefined) throw new Error(line);
    const [, field] = /and '"?([^'"]+)"?' does not exist in type/.exec(message) ?? [];
    faults[index]?.push(
      `${titleOf(object)}: ${field === undefined ? message : `there is no field ${field}`}`,
    );
  }
  for (const [index, object] of objects.entries()) checked.set(JSON.stringify(object), faults[index] ?? []);
};

/** @returns a fault for each unknown field; kinds without a schema are skipped */
export const unknownFields = (objects: readonly KubernetesObject[]): string[] => {
  const known = objects.filter(isKnown);
  if (checked.size > MAX_CHECKED) checked.clear();
  const fresh = new Map(
    known.map((object) => [JSON.stringify(object), object] as const).filter(([text]) => !checked.has(text)),
  );
  if (fresh.size > 0) check([...fresh.values()]);
  return known.flatMap((object) => checked.get(JSON.stringify(object)) ?? []);
};
