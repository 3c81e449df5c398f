/**
 * A pod as a process: the bundle in the Dockerfile's layout, with the manifest's environment, file, user, ports and heap.
 * Node's permission model replaces the read-only root.
 */
import { execFile } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { migrationsFolder } from "#api/origin/migrations.ts";
import { spawnChild } from "../../../src/local/child-process.ts";
import { importConditions } from "../../../src/local/environment.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { FILE_VARIABLE } from "../../../src/origin/config/file.ts";
import type { Backing } from "../../support/backing.ts";
import { readFinalStage } from "./dockerfile.ts";
import { freshHost, type Pod, testEnvironment } from "./pod.ts";
import type { PodPlan } from "./pod-plan.ts";

export interface Layout {
  /** The image's `/`. */
  readonly root: string;
  remove(): Promise<void>;
}

/** Of esbuild: its own condition, which others would replace, and those of this process. */
const conditionArguments = (): string[] => {
  const conditions = importConditions();
  return conditions.length === 0 ? [] : [`--conditions=${[...conditions, "module"]}`];
};

/** The image's files besides Node, as the Dockerfile's last stage copies them. */
export const layOut = async (): Promise<Layout> => {
  const root = await mkdtemp(join(tmpdir(), "image-"));
  const bundle = join(root, "bundle.mjs");
  // esbuild uses the last --outfile.
  await promisify(execFile)("npm", ["run", "bundle", "--", `--outfile=${bundle}`, ...conditionArguments()], {
    cwd: projectFolder,
    timeout: 60_000,
  });
  const replacements = new Map([
    ["/build/dist/origin/main.mjs", bundle],
    ["src/origin/api/migrations", fileURLToPath(migrationsFolder)],
  ]);
  for (const { source, to } of readFinalStage().copies) {
    const place = join(root, to);
    await mkdir(dirname(place), { recursive: true });
    // The build stage is a copy of the project.
    const original = join(projectFolder, source.replace(/^\/build\//, ""));
    await cp(replacements.get(source) ?? original, place, { recursive: true });
  }
  // Another user reads them.
  await promisify(execFile)("chmod", ["-R", "a+rX", root]);
  return { root, remove: () => rm(root, { recursive: true, force: true }) };
};

const MEBIBYTE = 1024 ** 2;

/** A percentage refers to a container's limit, which a process does not have. */
const heapOfLimit = (options: string, limitBytes: number): string =>
  options.replace(
    /--max-old-space-size-percentage=(\d+)/,
    (_, percent) => `--max-old-space-size=${Math.floor((limitBytes / MEBIBYTE) * (Number(percent) / 100))}`,
  );

/** Whether other users may read a path: a checkout in root's folder, or in a private one, is closed to them. */
const isOpenToAll = (path: string): boolean =>
  (statSync(path).mode & 0o001) !== 0 && (dirname(path) === path || isOpenToAll(dirname(path)));

/** Only root can run a process as another user. */
const canBeAnother = (): boolean =>
  process.getuid?.() === 0 && [dirname(process.execPath), projectFolder].every(isOpenToAll);

/** Without pages of files, mostly Node's own program, which the kernel reclaims when memory is short. */
const peakOf = (pid: number): number | undefined => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const bytes = (name: string): number =>
      Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
    return bytes("VmHWM") - bytes("RssFile");
  } catch {
    // A system without /proc, or a process that has ended.
    return undefined;
  }
};

export const startProcessPod = async (plan: PodPlan, { root }: Layout, backing: Backing): Promise<Pod> => {
  const { environment: ofImage, command } = readFinalStage();
  const host = freshHost();
  const file = join(root, `app-${host}.yaml`);
  await writeFile(file, plan.configurationFile);
  await chmod(file, 0o644);
  const environment = { ...ofImage, ...testEnvironment(plan, backing, host) };
  const permissions = plan.isReadOnly
    ? ["--permission", "--allow-fs-read=*", ...plan.writable.map((path) => `--allow-fs-write=${path}`)]
    : [];
  const startedMs = performance.now();
  const child = spawnChild({
    name: "the pod",
    command: process.execPath,
    args: [...permissions, ...command.map((word) => (word.startsWith("/app/") ? join(root, word) : word))],
    cwd: root,
    endsWithParent: "SIGTERM",
    env: {
      ...environment,
      [FILE_VARIABLE]: environment[FILE_VARIABLE] ?? file,
      NODE_OPTIONS: heapOfLimit(environment["NODE_OPTIONS"] ?? "", plan.memoryBytes),
    },
    ...(canBeAnother() ? { uid: plan.uid, gid: plan.gid } : {}),
  });
  return {
    plan,
    host,
    startedMs,
    terminate: async () => child.signal("SIGTERM"),
    exited: child.exited.then(({ code }) => code),
    peakBytes: async () => peakOf(child.pid),
    tail: child.tail,
    kill: async () => {
      child.signal("SIGKILL");
      await child.exited;
      await rm(file, { force: true });
    },
  };
};
