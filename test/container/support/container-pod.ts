/** A pod as a container of the real image: its root read only, its memory limited, its user the manifest's. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { spawnChild } from "../../../src/local/child-process.ts";
import { DEFAULT_FILE } from "../../../src/origin/config/file.ts";
import type { Backing } from "../../support/backing.ts";
import { engine, runCommand, testImage } from "./engine.ts";
import { testEnvironment } from "./environment.ts";
import { freshHost, type Pod } from "./pod.ts";
import type { PodPlan } from "./pod-plan.ts";

export interface ContainerPod extends Pod {
  readonly name: string;
  /** Runs a program of the image beside it. @returns its exit code and what it wrote */
  execute(...command: string[]): Promise<{ readonly code: number; readonly output: string }>;
}

/** Of cgroup v2, else of v1; undefined where the container has gone. */
const peakOf = (pid: string): number | undefined => {
  const lines = (path: string): string[] => readFileSync(path, "utf8").trim().split("\n");
  try {
    const groups = lines(`/proc/${pid}/cgroup`).map((line) => line.split(":"));
    const [, , unified] = groups.find(([id]) => id === "0") ?? [];
    const [, , memory] = groups.find(([, controllers]) => controllers === "memory") ?? [];
    const path =
      memory === undefined
        ? `/sys/fs/cgroup${unified}/memory.peak`
        : `/sys/fs/cgroup/memory${memory}/memory.max_usage_in_bytes`;
    return Number(lines(path)[0]);
  } catch {
    return undefined;
  }
};

/** What a program that failed left behind; -1 where it did not even begin. */
const failureOf = (error: unknown): { code: number; output: string } => {
  const { code, stdout, stderr } = z
    .object({ code: z.number().catch(-1), stdout: z.string().catch(""), stderr: z.string().catch("") })
    .parse(error);
  return { code, output: `${stdout}${stderr}` };
};

export const startContainerPod = async (plan: PodPlan, backing: Backing): Promise<ContainerPod> => {
  const name = `breakwater-test-${randomBytes(6).toString("hex")}`;
  const host = freshHost();
  const folder = await mkdtemp(join(tmpdir(), "pod-"));
  const environmentFile = join(folder, "environment");
  const configurationFile = join(folder, "app.yaml");
  const environment = testEnvironment(plan, backing, host);
  await writeFile(configurationFile, plan.configurationFile);
  await chmod(configurationFile, 0o644);
  await writeFile(
    environmentFile,
    Object.entries(environment)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(""),
  );
  const [command = "", ...args] = runCommand();
  const startedMs = performance.now();
  const child = spawnChild({
    name,
    command,
    args: [
      ...args,
      "--rm",
      ...["--name", name],
      ...["--env-file", environmentFile],
      ...["--user", `${plan.uid}:${plan.gid}`],
      ...(plan.isReadOnly ? ["--read-only"] : []),
      ...plan.writable.flatMap((path) => ["--tmpfs", path]),
      ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
      // Without swap, as Kubernetes runs it.
      ...["--memory", String(plan.memoryBytes), "--memory-swap", String(plan.memoryBytes)],
      ...["--volume", `${configurationFile}:${DEFAULT_FILE}:ro`],
      testImage,
    ],
  });
  const exited = child.exited.then(async ({ code }) => {
    await rm(folder, { recursive: true, force: true });
    return code;
  });
  return {
    plan,
    name,
    host,
    startedMs,
    // To the container's first process, as the kubelet does.
    terminate: async () => {
      await engine("kill", "--signal", "TERM", name);
    },
    exited,
    peakBytes: async () => peakOf(await engine("inspect", "--format", "{{.State.Pid}}", name)),
    tail: child.tail,
    execute: async (...words) =>
      await engine("exec", name, ...words).then((output) => ({ code: 0, output }), failureOf),
    kill: async () => {
      await engine("kill", name).catch(() => undefined);
      child.signal("SIGKILL");
      await exited;
    },
  };
};
