/**
 * A pod as a container of the real image, with a read-only root, limited memory and the manifest's user. TEST_IMAGE and
 * TEST_CONTAINER_RUN name the image and the command that runs it.
 */
import { execFile, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { spawnChild } from "../../../src/local/child-process.ts";
import { DEFAULT_FILE } from "../../../src/origin/config/file.ts";
import type { Backing } from "../../support/backing.ts";
import { freshHost, type Pod, testEnvironment } from "./pod.ts";
import type { PodPlan } from "./pod-plan.ts";

/** The image under test, built from container/Dockerfile. */
export const testImage = process.env["TEST_IMAGE"] ?? "web-api:dev";

/** For each of the engine's commands, milliseconds. */
const TIMEOUT_MS = 60_000;

let found: string | undefined;

/** @throws Error if neither docker nor podman works */
const engineName = (): string => {
  const works = (name: string): boolean =>
    spawnSync(name, ["ps", "--quiet"], { stdio: "ignore", timeout: TIMEOUT_MS }).status === 0;
  found ??= ["docker", "podman"].find(works);
  if (found === undefined) throw new Error("neither docker nor podman works here");
  return found;
};

/** The command that runs a container on the host's network, without its arguments. @default docker, else podman */
const runCommand = (): string[] =>
  process.env["TEST_CONTAINER_RUN"]?.split(" ") ?? [engineName(), "run", "--network", "host"];

/** Runs a command of the engine. @returns its output @throws Error with its output if it fails */
export const engine = async (...args: string[]): Promise<string> => {
  const options = { maxBuffer: 16 * 1024 * 1024, timeout: TIMEOUT_MS };
  return (await promisify(execFile)(engineName(), args, options)).stdout.trim();
};

export interface ContainerPod extends Pod {
  readonly name: string;
  /** Runs a program of the image in the container. @returns its exit code and output */
  execute(...command: string[]): Promise<{ readonly code: number; readonly output: string }>;
}

/** From cgroup v2, otherwise v1; undefined if the container has ended. */
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

/** The exit code and output of a failed program; -1 if it did not start. */
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
      // Without swap, as in Kubernetes.
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
    // To the container's first process, like the kubelet.
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
